"""An outcome in doubt is settled by a read, never by a guess, and never by a read that is older than a newer send."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest

from models.attempt import AttemptOutcome
from models.operation import Operation, State
from models.session import transaction
from providers.contract import Absent, Kind, Repeat
from providers.errors import UnknownError
from providers.prolific import calls
from providers.prolific.client import Client
from providers.prolific.provider import ProlificProvider
from tasks.resolve import resolve
from tests.integration.scene import BULK, DECISION, DRAFT, LISTING

STUDIES, SUBMISSION = "GET projects/{project_id}/studies/", "GET submissions/{id}/"


@pytest.fixture
def doubtful(scene):
    """A draft whose answer was lost; a function makes it, given the fault."""

    def make(fault):
        scene.plan(1)
        scene.fault(DRAFT, fault)
        scene.send(scene.only("draft"))
        return scene.only("draft")

    return make


def test_a_draft_whose_answer_was_lost_is_found_by_its_name_and_not_made_twice(scene, doubtful, timing):
    draft = doubtful("drop_after")
    scene.later(timing().read_every)
    scene.read(draft)
    found = scene.only("draft")
    assert found.state is State.CONFIRMED
    assert found.result == {"study_id": scene.effects("draft")[0].study}
    assert scene.calls(DRAFT) == 1


def test_a_draft_that_pays_something_else_is_not_used(scene, doubtful, timing):
    draft = doubtful("drop_after")
    study = scene.effects("draft")[0].study
    scene.simulator.state.study(study).fields |= {"reward": 121}
    scene.later(timing().read_every)
    scene.read(draft)
    found = scene.only("draft")
    assert found.state is State.REJECTED
    assert f"{study} pays 121 where 120 was asked for" in found.reason


def test_a_draft_that_is_not_there_is_made_again_only_after_the_settle_time(scene, doubtful, timing):
    draft = doubtful("drop_before")
    for _ in range(3):
        scene.later(timing().settle / 4)
        scene.read(draft)
        assert scene.only("draft").state is State.UNKNOWN
    scene.later(timing().settle)
    scene.read(draft)
    assert scene.only("draft").state is State.PLANNED
    scene.send(draft)
    assert scene.only("draft").state is State.CONFIRMED
    assert len(scene.effects("draft")) == 1


def test_an_outcome_is_not_read_before_its_time(scene, doubtful):
    scene.read(doubtful("drop_after"))
    assert scene.only("draft").state is State.UNKNOWN
    assert scene.calls(STUDIES) == 0


def test_a_failed_read_decides_nothing_and_the_next_waits_longer(scene, doubtful, timing):
    draft = doubtful("drop_after")
    waits = []
    scene.simulator.faults.next(STUDIES, "500_before", times=3)
    for _ in range(3):
        scene.later(timing().back_off_max)
        scene.read(draft)
        row = scene.only("draft")
        assert row.state is State.UNKNOWN
        waits.append(scene.seconds_until(row.next_at))
    assert waits[0] < waits[1] < waits[2]
    scene.settle()
    assert scene.calls(DRAFT) == 1


def test_a_study_named_twice_is_left_for_a_person_in_the_end(scene, doubtful, timing):
    """Somebody copied the study in Prolific's pages: which one is ours is not guessed."""
    draft = doubtful("drop_after")
    state = scene.simulator.state
    (study,) = state.studies.values()
    state.studies["f" * 24] = type(study)("f" * 24, 2, study.fields, created=study.created)
    scene.later(timing().read_every)
    scene.read(draft)
    assert scene.only("draft").state is State.UNKNOWN
    scene.later(timing().age_limit)
    scene.read(draft)
    assert scene.only("draft").state is State.REVIEW
    assert "delete all but one" in scene.only("draft").reason


def test_what_stays_unreadable_past_the_age_limit_goes_to_review(scene, doubtful, timing, monkeypatch):
    draft = doubtful("drop_after")
    monkeypatch.setattr(ProlificProvider, "find", lambda *_: [UnknownError("no list today")])
    scene.later(timing().age_limit + 1)
    scene.read(draft)
    assert scene.only("draft").state is State.REVIEW
    assert "no list today" in scene.only("draft").reason


def test_a_bulk_approval_is_confirmed_by_a_read(scene):
    run = scene.live(3)
    approvals = scene.approve(run, *scene.completed(run, 3))
    scene.send(*approvals)
    assert scene.states("approve") == {State.SUBMITTED}
    assert [attempt.outcome for attempt in scene.attempts()][-1] is AttemptOutcome.ACCEPTED
    scene.later(20)
    scene.read(*approvals)
    assert scene.states("approve") == {State.CONFIRMED}
    assert [str(status) for status in scene.units()] == ["accepted"] * 3
    assert scene.calls(BULK) == 1


def test_a_bulk_approval_that_the_vendor_forgot_is_sent_again_after_the_lease(scene, timing, monkeypatch):
    run = scene.live(3)
    approvals = scene.approve(run, *scene.completed(run, 3))
    with monkeypatch.context() as patch:
        patch.setattr(type(scene.simulator.clock), "after", lambda *_: None)
        scene.send(*approvals)
    scene.later(timing().lease / 2)
    scene.read(*approvals)
    assert scene.states("approve") == {State.SUBMITTED}
    scene.later(timing().lease)
    scene.read(*approvals)
    assert scene.states("approve") == {State.PLANNED}
    scene.settle()
    assert scene.calls(BULK) == 2
    assert len(scene.effects("approve")) == 3


def test_many_approvals_are_read_from_the_list_and_not_one_by_one(scene):
    run = scene.live(6)
    approvals = scene.approve(run, *scene.completed(run, 6))
    listed = scene.calls(LISTING)
    scene.send(*approvals)
    scene.later(20)
    scene.read(*approvals)
    assert scene.states("approve") == {State.CONFIRMED}
    assert scene.calls(LISTING) == listed + 1
    assert scene.calls(SUBMISSION) == 0


def test_what_the_newest_pages_do_not_show_is_read_singly_a_few_at_a_time(scene, monkeypatch, timing):
    """So many single reads in a row would take a worker past its time limit, and all of them would be lost."""
    run = scene.live(30)
    approvals = scene.approve(run, *scene.completed(run, 30))
    scene.send(*approvals)
    scene.later(timing().read_every)
    monkeypatch.setattr(Client, "submissions", lambda *_, **__: iter([]))
    scene.read(*approvals)
    once = scene.calls(SUBMISSION)
    assert [row.state for row in scene.operations("approve")].count(State.CONFIRMED) == once
    assert 0 < once < 30
    scene.settle()
    assert scene.states("approve") == {State.CONFIRMED}


def test_two_resolvers_at_once_do_not_read_the_same_operation(scene, timing):
    for number in range(6):
        scene.plan(1, f"run {number}")
    scene.simulator.faults.next(DRAFT, "drop_after", times=6)
    drafts = scene.operations("draft")
    scene.send(*drafts)
    scene.later(timing().read_every)
    together = Barrier(4)

    def read(_):
        together.wait()
        scene.read(*drafts)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(read, range(4)))
    assert scene.states("draft") == {State.CONFIRMED}
    assert {row.reads for row in scene.operations("draft")} == {1}


def test_drafts_of_one_project_are_found_with_one_listing(scene, timing):
    for number in range(6):
        scene.plan(1, f"run {number}")
    scene.simulator.faults.next(DRAFT, "drop_after", times=6)
    drafts = scene.operations("draft")
    scene.send(*drafts)
    scene.later(timing().read_every)
    scene.read(*drafts)
    assert scene.states("draft") == {State.CONFIRMED}
    assert scene.calls(STUDIES) == 1


def test_a_read_that_is_older_than_a_newer_send_changes_nothing(scene, doubtful, timing, monkeypatch):
    """A resolver stalls for longer than its turn lasts; meanwhile another one had the operation sent again."""
    draft = doubtful("drop_before")
    scene.later(2 * timing().lease)
    asked, go_on = Event(), Event()

    def stalled(_self, requests):
        asked.set()
        assert go_on.wait(20)
        return [Absent() for _ in requests]

    with ThreadPoolExecutor(1) as pool:
        with monkeypatch.context() as patch:
            patch.setattr(ProlificProvider, "find", stalled)
            late = pool.submit(scene.read, draft)
            assert asked.wait(20)
        scene.later(2 * timing().lease)
        scene.read(draft)
        scene.fault(DRAFT, "drop_after")
        scene.send(draft)
        assert scene.only("draft").state is State.UNKNOWN
        go_on.set()
        late.result()
    assert scene.only("draft").state is State.UNKNOWN
    scene.settle()
    assert len(scene.effects("draft")) == 1


@pytest.fixture
def keyed(monkeypatch):
    """Approvals as if Prolific took a token with them, for a minute."""
    monkeypatch.setitem(calls.KINDS, "approve", Kind("approve", Repeat.KEYED, window=60))


@pytest.mark.usefixtures("keyed")
def test_within_the_window_of_its_token_a_lost_request_is_repeated_without_a_read(scene, timing):
    run = scene.live(1)
    (approval,) = scene.approve(run, *scene.completed(run))
    scene.fault(DECISION, "drop_after")
    scene.send(approval)
    scene.later(timing().back_off)
    scene.read(approval)
    assert scene.only("approve").state is State.PLANNED
    assert scene.calls(SUBMISSION) == 0
    scene.send(approval)
    assert scene.only("approve").state is State.CONFIRMED
    assert len(scene.effects("approve")) == 1


@pytest.mark.usefixtures("keyed")
def test_past_the_window_of_its_token_a_lost_request_is_read(scene):
    run = scene.live(1)
    (approval,) = scene.approve(run, *scene.completed(run))
    scene.fault(DECISION, "drop_after")
    scene.send(approval)
    scene.later(61)
    scene.read(approval)
    assert scene.only("approve").state is State.CONFIRMED
    assert scene.calls(DECISION) == 1


@pytest.mark.usefixtures("keyed")
def test_a_token_that_grew_old_while_its_account_was_paused_is_not_sent_again(scene, timing):
    run = scene.live(1)
    (approval,) = scene.approve(run, *scene.completed(run))
    scene.fault(DECISION, "drop_after")
    scene.send(approval)
    scene.later(timing().back_off)
    scene.read(approval)
    assert scene.only("approve").state is State.PLANNED
    scene.later(3600)
    scene.send(approval)
    assert scene.calls(DECISION) == 1
    assert scene.only("approve").state is State.UNKNOWN
    scene.later(timing().settle)
    scene.read(approval)
    assert scene.only("approve").state is State.CONFIRMED
    assert len(scene.effects("approve")) == 1


def test_nothing_of_a_paused_account_is_read(scene, doubtful, timing):
    draft = doubtful("drop_after")
    with transaction() as session:
        session.get_one(Operation, draft.id).requester.paused_reason = "somebody looks into it"
    scene.later(timing().read_every)
    scene.read(draft)
    assert scene.calls(STUDIES) == 0


def test_a_person_in_review_is_not_overruled_by_a_read(scene, doubtful, timing):
    draft = doubtful("drop_after")
    with transaction() as session:
        session.get_one(Operation, draft.id).state = State.REVIEW
    scene.later(timing().read_every)
    resolve([draft.id])
    assert scene.only("draft").state is State.REVIEW
