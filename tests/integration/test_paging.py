"""However the vendor's list shifts, lags, repeats or leaves out, in the end we hold what it holds and nothing else."""

import pytest
from sqlalchemy import update

from models import clock, recruit
from models.agent import Agent
from models.discrepancy import Discrepancy, Finding
from models.session import transaction
from models.task_run import TaskRun
from providers.prolific import client
from providers.prolific.mapping import agent_status, word
from tasks import diff, lease
from tests.integration.scene import LISTING

PEOPLE = 23
ONE = "GET submissions/{id}/"


@pytest.fixture(autouse=True)
def _short_pages(monkeypatch):
    monkeypatch.setattr(client, "PAGE", 5)


@pytest.fixture
def crowd(scene):
    """A run with people in every state, of whom we know an earlier one."""
    run, state = scene.live(PEOPLE), scene.simulator.state
    submissions = [state.take_place(scene.study(run)).id for _ in range(PEOPLE)]
    scene.reconcile(run)
    for number, submission in enumerate(submissions):
        if number % 4 > 0:
            state.start(submission)
        if number % 4 > 1:
            state.finish(submission)
        if number % 4 > 2:
            state.set_status(submission, "APPROVED")
    return run


def theirs(scene):
    """What each submission is at the vendor, in our words."""
    return {row.id: agent_status(word(row.status)) for row in scene.simulator.state.submissions.values()}


def ours(scene):
    return {agent.submission: agent.status for agent in scene.all(Agent)}


@pytest.mark.parametrize(
    "fault", ["list_skips", "list_repeats", "list_passes", "list_shifts", "list_stale", "other_shape"]
)
def test_a_list_that_is_not_what_it_should_be_is_mended_by_the_next(scene, crowd, fault):
    scene.later(30)
    scene.simulator.faults.next(LISTING, fault, times=3, seconds=60)
    scene.reconcile(crowd)
    assert scene.calls(LISTING) >= 1
    for _ in range(3):
        scene.reconcile(crowd)
    assert ours(scene) == theirs(scene)
    assert scene.findings() == []


@pytest.mark.parametrize("fault", ["status_processing", "status_unknown", "status_strange", "misread"])
def test_a_word_that_passes_by_changes_nothing(scene, crowd, fault):
    before = ours(scene)
    scene.simulator.faults.next(LISTING, fault, times=5)
    scene.reconcile(crowd)
    changed = {key for key, status in ours(scene).items() if status is not before[key]}
    assert all(ours(scene)[key] is theirs(scene)[key] for key in changed)
    assert set(scene.findings()) <= {Finding.UNKNOWN_WORD}
    scene.reconcile(crowd, full=True)
    assert ours(scene) == theirs(scene)


def test_who_joins_while_the_pages_are_read_is_seen_by_this_listing_or_the_next(scene, crowd, monkeypatch):
    study = scene.simulator.state.study(scene.study(crowd))
    study.fields |= {"total_available_places": PEOPLE + 4}
    study.closed = False
    pages = client.Client.submissions

    def while_somebody_joins(self, *words, **options):
        for page in pages(self, *words, **options):
            if study.free:
                scene.simulator.state.take_place(study.id)
            yield page

    with monkeypatch.context() as patch:
        patch.setattr(client.Client, "submissions", while_somebody_joins)
        scene.reconcile(crowd)
    scene.reconcile(crowd)
    assert ours(scene) == theirs(scene)
    assert len(scene.all(Agent)) == PEOPLE + 4


def test_whoever_is_not_in_the_list_any_more_is_asked_for_alone(scene, crowd, monkeypatch):
    missing = min(ours(scene))
    pages = client.Client.submissions

    def without(self, *words, **options):
        for page in pages(self, *words, **options):
            yield [row for row in page if row.id != missing]

    monkeypatch.setattr(client.Client, "submissions", without)
    scene.simulator.state.set_status(missing, "APPROVED")
    scene.reconcile(crowd)
    assert ours(scene) == theirs(scene)
    assert scene.calls(ONE) == 1
    assert scene.findings() == []


def test_whoever_the_vendor_does_not_know_any_more_is_told_and_kept(scene, crowd):
    gone = next(key for key, status in theirs(scene).items() if not status.startswith("approved"))
    before = ours(scene)[gone]
    submission = scene.simulator.state.submissions.pop(gone)
    submission.study.submissions.remove(submission)
    submission.study.counts[submission.status] -= 1
    for _ in range(2):
        scene.reconcile(crowd, full=True)
    assert scene.findings() == [Finding.VANISHED]
    assert ours(scene)[gone] is before


def test_a_run_is_over_without_whom_a_person_has_seen_to_be_gone(scene):
    run = scene.live(1)
    (gone,) = scene.completed(run)
    submission = scene.simulator.state.submissions.pop(gone)
    submission.study.submissions.remove(submission)
    submission.study.counts[submission.status] -= 1
    with transaction() as session:
        recruit.expire(session.get_one(TaskRun, run))
    scene.settle()
    scene.reconcile(run, full=True)
    assert not scene.get(TaskRun, run).is_completed
    with transaction() as session:
        session.execute(update(Discrepancy).values(resolved_at=clock.now(), resolved_by="somebody"))
    scene.reconcile(run, full=True)
    assert scene.get(TaskRun, run).is_completed


def test_who_is_settled_is_not_looked_for(scene, crowd, monkeypatch):
    scene.reconcile(crowd)
    settled = [key for key, status in ours(scene).items() if status == "approved"]
    pages = client.Client.submissions

    def without(self, *words, **options):
        for page in pages(self, *words, **options):
            yield [row for row in page if row.id not in settled]

    monkeypatch.setattr(client.Client, "submissions", without)
    scene.reconcile(crowd, full=True)
    assert scene.calls(ONE) == 0


def test_whoever_leaves_makes_room_for_the_others_however_small_the_portions(scene, monkeypatch):
    """One comes back late to a unit that somebody else gives up, and one is new; both find a unit that was planned."""
    run, state = scene.live(2), scene.simulator.state
    late = state.take_place(scene.study(run)).id
    scene.reconcile(run)
    state.set_status(late, "TIMED-OUT")
    scene.reconcile(run)
    scene.later(1)  # So that the list names them first, and those who leave after them.
    others = [state.take_place(scene.study(run)).id for _ in range(2)]
    scene.reconcile(run)
    for submission in others:
        state.set_status(submission, "RETURNED")
    scene.hand_in(run)
    state.finish(late)
    monkeypatch.setattr(diff, "PORTION", 1)
    scene.reconcile(run)
    assert ours(scene) == theirs(scene)
    assert scene.unit_words() == ["completed"] * 2
    assert scene.findings() == []


def test_a_round_that_loses_its_lease_between_two_portions_writes_no_other_and_the_next_makes_up_for_it(
    scene, monkeypatch
):
    run = scene.live(3)
    scene.hand_in(run, 3)
    seen = scene.get(TaskRun, run).seen
    monkeypatch.setattr(diff, "PORTION", 1)

    def keep():
        if len(scene.all(Agent)) == 2:
            raise lease.LeaseError

    with pytest.raises(lease.LeaseError):
        scene.reconcile(run, keep=keep)
    assert scene.agent_words() == ["completed"] * 2
    assert scene.get(TaskRun, run).seen == seen
    scene.reconcile(run)
    assert ours(scene) == theirs(scene)
    assert scene.unit_words() == ["completed"] * 3
    assert scene.findings() == []
