"""While it is not known what became of one payment of a submission, no other is sent for it."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from models import plan
from models.operation import Operation, State
from models.session import transaction
from models.settings import settings
from providers.contract import Kind, Repeat
from providers.prolific import calls
from tasks import claims
from tasks.sweep import sweep
from tests.integration.scene import DECISION


@pytest.fixture
def payments(scene, monkeypatch):
    """Six operations that might pay one submission, and one of another; without a lane that would part them."""
    monkeypatch.setitem(calls.KINDS, "approve", Kind("approve", Repeat.ABSORBING, batch=100, exclusive=True))
    run = scene.live(2)
    first, other = scene.approve(run, *scene.completed(run, 2))
    names = ("requester_id", "kind", "target", "body", "run_id", "agent_id")
    same = {name: getattr(first, name) for name in names}
    with transaction() as session:
        others = plan.plan(session, [plan.Intent(**same, key=f"again {number}") for number in range(5)])
    return [first, *others, other]


def taken(*operations):
    """What a claim takes of these."""
    made = claims.claim([operation.id for operation in operations])
    return [request.id for claim in made for request in claim.requests]


def test_of_several_that_are_due_at_once_the_first_is_taken(payments):
    *same, other = payments
    first, second = taken(*payments)
    assert second == other.id
    assert first in {payment.id for payment in same}


def test_claimers_at_once_take_one(scene, payments):
    *same, _ = payments
    together = Barrier(len(same))

    def claim(payment):
        together.wait()
        return taken(payment)

    with ThreadPoolExecutor(len(same)) as pool:
        got = [one for some in pool.map(claim, same) for one in some]
    assert len(got) == 1
    open_attempts = [attempt for attempt in scene.attempts() if attempt.closed_at is None]
    assert [attempt.operation_ids for attempt in open_attempts] == [got]


def test_another_waits_until_it_is_known_what_became_of_the_first(scene, payments):
    first, second, *_, other = payments
    scene.fault(DECISION, "drop_after")
    scene.send(first)
    assert scene.get(Operation, first.id).state is State.UNKNOWN
    assert taken(second) == []
    scene.put(first, state=State.REVIEW)
    assert taken(second, other) == [other.id]
    scene.put(first, state=State.CONFIRMED)
    assert taken(second) == [second.id]


def test_one_that_is_to_be_sent_again_lets_another_go_first(scene, payments):
    first, second, *_ = payments
    assert taken(first) == [first.id]
    scene.put(first, state=State.PLANNED, lease_until=None)
    assert taken(second) == [second.id]
    assert taken(first) == []


def test_what_goes_to_a_person_unsent_does_not_collide_with_what_is_in_doubt(scene, payments):
    first, second, *_ = payments
    scene.fault(DECISION, "drop_after")
    scene.send(first)
    scene.put(second, attempts=settings().timing.max_attempts)
    sweep()
    assert scene.get(Operation, first.id).state is State.UNKNOWN
    assert scene.get(Operation, second.id).state is State.REVIEW


def test_all_are_carried_out_in_the_end_one_after_another(scene, payments):
    scene.settle()
    assert scene.states("approve") == {State.CONFIRMED}
    assert len(scene.effects("approve")) == 2
    assert len(payments) == len(scene.operations("approve"))
