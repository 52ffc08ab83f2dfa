"""What a vendor answered, or did not, decides where an operation goes; the simulator's ledger tells what happened."""

import pytest

from models.attempt import AttemptOutcome
from models.discrepancy import Finding
from models.operation import Operation, State
from models.requester import Requester
from models.session import transaction
from models.unit import Unit
from providers.contract import Done
from providers.errors import NotSentError, RejectedError, UnknownError
from providers.prolific.provider import ProlificProvider
from tasks import claims, engine, pacing
from tests.integration.scene import DECISION, DRAFT, LAUNCH, STUDY_MOVE

KINDS = {"draft": DRAFT, "publish": STUDY_MOVE, "launch": LAUNCH, "approve": DECISION}


def ready(scene, kind):
    """One operation of a kind that is due; what comes before it is done."""
    run = scene.plan(1)
    for before in ("draft", "publish", "launch"):
        if before == kind:
            return scene.only(kind)
        scene.send(scene.only(before))
        scene.simulator.advance(3)
        scene.later(30)
        scene.read(*scene.operations(before))
    return scene.approve(run, *scene.completed(run))[0]


def outcomes(scene, kind):
    return [attempt.outcome for attempt in scene.attempts() if attempt.kind == kind]


@pytest.mark.parametrize("fault", [None, "500_before", "500_after", "drop_before", "drop_after"])
def test_whatever_becomes_of_an_answer_every_effect_happens_once(scene, fault):
    run = scene.plan(1)
    for endpoint in KINDS.values() if fault else ():
        scene.fault(endpoint, fault)
    scene.settle()
    scene.approve(run, *scene.completed(run))
    scene.settle()
    assert scene.states() == {State.CONFIRMED}
    for kind in KINDS:
        said = outcomes(scene, kind)
        assert (
            said[0] is AttemptOutcome.UNKNOWN if fault else said in ([AttemptOutcome.DONE], [AttemptOutcome.ACCEPTED])
        )
        assert len(scene.effects(kind)) == (kind != "launch")


@pytest.mark.parametrize("fault", ["hang_before", "hang_after"])
def test_an_answer_that_never_comes_is_unknown_after_the_deadline(scene, fault, timing):
    operation = ready(scene, "draft")
    timing(http_deadline=0.3)
    scene.fault(DRAFT, fault)
    scene.send(operation)
    assert scene.only("draft").state is State.UNKNOWN
    assert "0.3 s" in scene.attempts()[0].detail
    scene.settle()
    assert len(scene.effects("draft")) == 1


def test_throttling_burns_no_attempt_and_waits_as_long_as_the_vendor_asks(scene):
    operation = ready(scene, "publish")
    scene.fault(STUDY_MOVE, "429_retry_after", seconds=40)
    scene.send(operation)
    throttled = scene.only("publish")
    assert (throttled.state, throttled.attempts) == (State.PLANNED, 0)
    assert outcomes(scene, "publish") == [AttemptOutcome.THROTTLED]
    scene.later(39)
    assert scene.send(operation) == []
    scene.later(1.5)
    assert len(scene.send(operation)) == 1


def test_throttling_without_a_time_backs_off(scene, timing):
    operation = ready(scene, "launch")
    scene.fault(LAUNCH, "429")
    scene.send(operation)
    assert scene.send(operation) == []
    scene.later(timing().back_off)
    scene.send(operation)
    assert scene.only("launch").state is State.CONFIRMED


def test_a_throttled_draft_is_read_before_it_is_made_again(scene):
    """A draft has no token, so even a "not now" is not believed without a look."""
    operation = ready(scene, "draft")
    scene.fault(DRAFT, "429_retry_after", seconds=5)
    scene.send(operation)
    assert scene.only("draft").state is State.UNKNOWN
    scene.settle()
    assert len(scene.effects("draft")) == 1


def test_a_refused_credential_pauses_the_account_until_a_person_resumes_it(scene, monkeypatch):
    operation = ready(scene, "draft")
    monkeypatch.setenv("CROWDOPS_PROLIFIC_TOKEN", "revoked")
    scene.send(operation)
    waiting, account = scene.only("draft"), scene.get(Requester, scene.account)
    assert (waiting.state, waiting.attempts) == (State.PLANNED, 0)
    assert "HTTP 401" in account.paused_reason
    assert "revoked" not in account.paused_reason
    assert account.paused_until is None
    scene.later(3600)
    assert scene.send(operation) == []

    monkeypatch.setenv("CROWDOPS_PROLIFIC_TOKEN", scene.simulator.options.token)
    pacing.resume(scene.account)
    scene.settle()
    assert scene.states() == {State.CONFIRMED}


def test_a_lack_of_funds_pauses_the_account_and_refuses_nothing(scene):
    operation = ready(scene, "publish")
    deposit, scene.simulator.state.deposit = scene.simulator.state.deposit, 0
    scene.send(operation)
    assert scene.only("publish").state is State.PLANNED
    assert "funds" in scene.get(Requester, scene.account).paused_reason
    scene.simulator.state.deposit = deposit
    pacing.resume(scene.account)
    scene.settle()
    assert scene.only("publish").state is State.CONFIRMED


def test_a_missing_secret_sends_nothing_and_pauses(scene, monkeypatch):
    operation = ready(scene, "draft")
    monkeypatch.delenv("CROWDOPS_PROLIFIC_TOKEN")
    scene.send(operation)
    assert scene.calls(DRAFT) == 0
    assert "CROWDOPS_PROLIFIC_TOKEN" in scene.get(Requester, scene.account).paused_reason


def test_a_refusal_of_what_is_not_repeatable_is_final(scene, monkeypatch):
    operation = ready(scene, "draft")
    monkeypatch.setattr(ProlificProvider, "send", lambda *_: [RejectedError("the title is too long")])
    scene.send(operation)
    refused = scene.only("draft")
    assert (refused.state, refused.reason) == (State.REJECTED, "the title is too long")
    assert refused.settled_at is not None


def test_approving_work_that_the_vendor_rejected_is_rejected_after_a_look(scene):
    operation = ready(scene, "approve")
    scene.simulator.state.set_status(operation.target, "REJECTED")
    scene.send(operation)
    scene.settle()
    assert scene.only("approve").state is State.REJECTED
    assert "REJECTED at Prolific" in scene.only("approve").reason


def test_approving_what_is_approved_already_is_a_success_without_an_effect(scene):
    operation = ready(scene, "approve")
    scene.simulator.state.set_status(operation.target, "APPROVED")
    scene.send(operation)
    scene.settle()
    assert scene.only("approve").state is State.CONFIRMED
    assert scene.effects("approve") == []


def test_a_refused_batch_proves_nothing_about_its_members_and_is_split(scene, monkeypatch):
    run = scene.live(3)
    good, bad, other = scene.approve(run, *scene.completed(run, 3))

    def strict(self, requests):
        if any(request.id == bad.id for request in requests):
            raise RejectedError("one of them is not possible")
        return send(self, requests)

    send = ProlificProvider.send
    monkeypatch.setattr(ProlificProvider, "send", strict)
    scene.send(good, bad, other)
    assert scene.states("approve") == {State.UNKNOWN}
    scene.settle()
    ended = {row.id: row.state for row in scene.operations("approve")}
    assert ended == {good.id: State.CONFIRMED, other.id: State.CONFIRMED, bad.id: State.REJECTED}
    assert len(scene.effects("approve")) == 2


def test_members_that_are_refused_beside_one_that_is_done_end_rejected(scene, monkeypatch):
    scene.plan(3)
    for kind in ("draft", "publish"):
        scene.send(scene.only(kind))
        scene.later(30)
    scene.read(scene.only("publish"))

    def refuse(_self, requests):
        refusal = RejectedError("places can only grow")
        return [Done() if request.body["places"] == 1 else refusal for request in requests]

    monkeypatch.setattr(ProlificProvider, "send", refuse)
    scene.settle()
    ended = {row.body["places"]: row.state for row in scene.operations("launch")}
    assert ended == {1: State.CONFIRMED, 2: State.REJECTED, 3: State.REJECTED}


def test_an_answer_for_fewer_members_than_asked_is_no_answer(scene, monkeypatch):
    run = scene.live(2)
    approvals = scene.approve(run, *scene.completed(run, 2))
    with monkeypatch.context() as patch:
        patch.setattr(ProlificProvider, "send", lambda *_: [Done()])
        scene.send(*approvals)
    assert scene.states("approve") == {State.UNKNOWN}
    scene.settle()
    assert len(scene.effects("approve")) == 2


def test_an_error_of_the_provider_itself_is_unknown_and_tells_no_detail(scene, monkeypatch, caplog):
    operation = ready(scene, "draft")
    person = "5f3a" * 6
    with monkeypatch.context() as patch:
        patch.setattr(ProlificProvider, "send", lambda *_: {}[person])
        scene.send(operation)
    unknown = scene.only("draft")
    assert (unknown.state, unknown.reason) == (State.UNKNOWN, "the provider itself failed: KeyError")
    assert "1 operations of kind draft with KeyError" in caplog.text
    assert person not in caplog.text


@pytest.mark.parametrize("state", [State.PLANNED, State.UNKNOWN, State.REVIEW, State.SUBMITTED])
def test_evidence_that_comes_late_confirms_from_any_open_state(scene, state):
    operation = ready(scene, "launch")
    (stale,) = claims.claim([operation.id])
    with transaction() as session:
        row = session.get_one(Operation, operation.id)
        for step in (State.UNKNOWN, state) if state in (State.REVIEW, State.PLANNED) else (state,):
            row.state, row.lease_until = step, None
            session.flush()
    engine.carry_out(stale)
    assert scene.only("launch").state is State.CONFIRMED
    assert [str(unit.status) for unit in scene.all(Unit)] == ["launched"]


@pytest.mark.parametrize("outcome", [NotSentError("no"), RejectedError("no"), UnknownError("no")])
def test_a_negative_answer_to_an_attempt_that_lost_its_operation_changes_nothing(scene, outcome, monkeypatch):
    operation = ready(scene, "draft")
    (stale,) = claims.claim([operation.id])
    with transaction() as session:
        row = session.get_one(Operation, operation.id)
        row.state, row.lease_until = State.UNKNOWN, None
        session.flush()
        row.state = State.PLANNED
    (fresh,) = claims.claim([operation.id])
    before = scene.only("draft")
    monkeypatch.setattr(ProlificProvider, "send", lambda *_: [outcome])
    engine.carry_out(stale)
    after = scene.only("draft")
    assert (after.state, after.attempt_id, after.lease_until) == (State.SENDING, fresh.attempt_id, before.lease_until)
    assert {attempt.id: attempt.outcome for attempt in scene.attempts()}[stale.attempt_id] is not None


@pytest.mark.parametrize("state", [State.REJECTED, State.CANCELLED])
def test_evidence_against_a_final_state_is_one_discrepancy(scene, state):
    operation = ready(scene, "launch")
    with transaction() as session:
        session.get_one(Operation, operation.id).state = state
    for _ in range(2):
        with transaction() as session:
            engine.confirm(session, {operation.id: {}})
    assert scene.only("launch").state is state
    assert scene.findings() == [Finding.FINAL_CONTRADICTED]


def test_a_storm_of_failures_rests_the_account_for_a_while(scene, monkeypatch):
    monkeypatch.setattr(pacing, "STORM", 5)
    for number in range(5):
        scene.plan(1, f"run {number}")
    scene.simulator.faults.next(DRAFT, "drop_before", times=5)
    scene.send(*scene.operations("draft"))
    account = scene.get(Requester, scene.account)
    assert "5 requests in a row failed" in account.paused_reason
    assert account.paused_until is not None
    scene.settle(200)
    assert len(scene.effects("draft")) == 5
