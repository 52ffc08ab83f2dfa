"""What the vendor showed before an effect that adds is kept before the first byte of it leaves, and never changes."""

import pytest
from sqlalchemy.exc import ProgrammingError

from models.operation import Operation, State
from models.session import transaction
from models.settings import settings
from providers.contract import Kind, Repeat
from providers.prolific import calls
from providers.prolific.provider import ProlificProvider
from tasks.rows import to_requests
from tasks.sweep import sweep
from tests.integration.scene import DECISION

SUBMISSION = "GET submissions/{id}/"


def word(provider, requests):
    """What Prolific says of each submission now."""
    return [{"word": provider.look(request.facts, request.target).word} for request in requests]


@pytest.fixture
def payment(scene, monkeypatch):
    """An approval as if each one paid again, and only a comparison with the state before could tell."""
    kind = Kind("approve", Repeat.READ_BACK, exclusive=True, snapshot=True)
    monkeypatch.setitem(calls.KINDS, "approve", kind)
    monkeypatch.setattr(ProlificProvider, "snapshot", word)
    run = scene.live(1)
    scene.completed(run)
    (planned,) = scene.approve(run)
    return planned


def test_it_is_kept_before_the_send_and_given_to_the_read_back(scene, payment):
    scene.fault(DECISION, "drop_after")
    scene.send(payment)
    with transaction() as session:
        (request,) = to_requests(session, [session.get_one(Operation, payment.id)])
    assert request.baseline == {"word": "AWAITING REVIEW"}


def test_a_second_send_takes_no_other(scene, payment):
    scene.fault(DECISION, "drop_after")
    scene.send(payment)
    scene.put(payment, state=State.REVIEW)
    scene.put(payment, state=State.PLANNED)
    scene.later(settings().timing.read_every)
    reads = scene.calls(SUBMISSION)
    assert len(scene.send(payment)) == 1
    assert scene.get(Operation, payment.id).baseline == {"word": "AWAITING REVIEW"}
    assert (scene.calls(DECISION), scene.calls(SUBMISSION)) == (2, reads)


def test_nothing_is_sent_while_it_cannot_be_read(scene, payment):
    scene.fault(SUBMISSION, "500_before")
    scene.send(payment)
    row = scene.get(Operation, payment.id)
    assert (row.state, row.baseline, scene.calls(DECISION)) == (State.PLANNED, None, 0)
    assert "could not be read, so nothing was sent" in row.reason
    scene.later(settings().timing.back_off)
    scene.send(payment)
    assert scene.get(Operation, payment.id).state is State.CONFIRMED


def test_nothing_is_sent_when_the_claim_was_lost_meanwhile(scene, payment, monkeypatch):
    def slowly(provider, requests):
        scene.later(settings().timing.lease + 1)
        sweep()
        return word(provider, requests)

    monkeypatch.setattr(ProlificProvider, "snapshot", slowly)
    scene.send(payment)
    row = scene.get(Operation, payment.id)
    assert (row.state, row.baseline, scene.calls(DECISION)) == (State.UNKNOWN, None, 0)


def test_the_database_lets_nobody_change_it(scene, payment):
    scene.put(payment, baseline={"paid": []})
    with pytest.raises(ProgrammingError, match="its baseline is written once"):
        scene.put(payment, baseline={"paid": [150]})
