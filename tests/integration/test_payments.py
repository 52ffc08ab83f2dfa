"""What the vendor shows as paid is held against ours: evidence comes home, and the unexplained stops more money."""

import pytest
from sqlalchemy import select

from models.agent import Agent
from models.discrepancy import Discrepancy, Finding
from models.operation import Operation, State
from models.session import transaction
from models.settings import settings
from tasks import audit, decide
from tasks.decide import Decision
from tests.integration.test_bonus import PAY, READ, paid, pay, rest, run

__all__ = ["pay", "run"]


def look(scene):
    """One round of the audit."""
    audit.audit_account(scene.account)


def told(scene):
    """What was found, and in which words."""
    return [(row.finding, row.detail) for row in scene.all(Discrepancy)]


def resolve(scene):
    """A person puts everything aside."""
    with transaction() as session:
        for row in session.scalars(select(Discrepancy)):
            row.resolved_at, row.resolved_by = row.created_at, "somebody"
    assert scene.all(Discrepancy, Discrepancy.resolved_at.is_(None)) == []


def test_what_was_paid_and_is_shown_is_no_finding(scene, pay):
    pay(50, 75)
    rest(scene)
    look(scene)
    assert told(scene) == []
    assert all(agent.audited_at for agent in scene.all(Agent))


def test_a_payment_in_the_vendors_own_pages_is_reported_once_and_stops_more_money_until_a_person_has_seen_it(
    scene, pay
):
    (first,) = pay(50)
    rest(scene)
    scene.simulator.state.pay_bonus(first.target, 50)
    look(scene)
    look(scene)
    assert told(scene) == [
        (Finding.FOREIGN_PAYMENT, "the vendor shows bonuses of 50 minor units of GBP that no operation paid")
    ]
    (second,) = pay(60, key="2")
    scene.turn()
    assert scene.get(Operation, second.id).state is State.PLANNED
    resolve(scene)
    rest(scene)
    assert scene.get(Operation, second.id).state is State.CONFIRMED


def test_a_second_one_after_a_person_has_seen_the_first_is_another_finding(scene, pay):
    (first,) = pay(50)
    rest(scene)
    scene.simulator.state.pay_bonus(first.target, 50)
    look(scene)
    resolve(scene)
    scene.simulator.state.pay_bonus(first.target, 50)
    look(scene)
    assert len(told(scene)) == 2


def test_a_payment_of_ours_that_is_not_shown_is_reported_a_day_later(scene, pay):
    (operation,) = pay(50)
    scene.fault(PAY, "drop_before")
    scene.send(operation)
    scene.put(operation, state=State.REVIEW)
    with transaction() as session:
        decide.resolve(session, operation.id, Decision.CONFIRMED, who="somebody", note="I believe so")
    look(scene)
    assert told(scene) == []
    scene.later(settings().timing.shown_after + 1)
    look(scene)
    assert [finding for finding, _ in told(scene)] == [Finding.MISSING_PAYMENT]


def test_a_payment_of_another_sum_is_one_finding(scene, pay):
    (operation,) = pay(50)
    rest(scene)
    scene.simulator.state.submission(operation.target).bonus_payments[:] = [500]
    scene.later(settings().timing.shown_after + 1)
    look(scene)
    assert [finding for finding, _ in told(scene)] == [Finding.OTHER_AMOUNT]


def test_evidence_that_comes_when_a_person_was_to_decide_settles_it(scene, pay):
    (operation,) = pay(50)
    scene.fault(PAY, "drop_after")
    scene.send(operation)
    scene.put(operation, state=State.REVIEW, reason="settled and not there")
    scene.later(120)
    look(scene)
    assert scene.only("bonus").state is State.CONFIRMED
    assert (len(paid(scene)), told(scene)) == (1, [])


def test_a_payment_that_was_there_before_is_no_evidence(scene, pay):
    (operation,) = pay(50)
    scene.simulator.state.pay_bonus(operation.target, 50)
    scene.fault(PAY, "drop_before")
    scene.send(operation)
    scene.put(operation, state=State.REVIEW)
    look(scene)
    assert scene.only("bonus").state is State.REVIEW


@pytest.mark.usefixtures("run")
def test_each_round_reads_a_share_and_takes_those_first_that_were_not_read_for_longest(scene, monkeypatch):
    monkeypatch.setattr(audit, "SHARE", 2)
    before = scene.calls(READ)
    for reads, seen in ((2, 2), (4, 3)):
        look(scene)
        assert scene.calls(READ) == before + reads
        assert sum(agent.audited_at is not None for agent in scene.all(Agent)) == seen


@pytest.mark.parametrize("spent", [1, 5000])
def test_money_that_leaves_by_another_door_is_reported_when_nothing_explains_it_for_a_day(scene, pay, spent):
    look(scene)
    pay(50, 75)
    rest(scene)
    look(scene)
    assert told(scene) == []
    scene.simulator.state.deposit -= spent
    look(scene)
    assert told(scene) == []
    scene.later(settings().timing.shown_after + 1)
    look(scene)
    look(scene)
    wanted = f"the balance went down by {spent} minor units of GBP more than was paid from here"
    assert told(scene) == ([(Finding.BALANCE, wanted)] if spent > 1 else [])


def test_money_that_comes_in_is_no_finding(scene, pay):
    look(scene)
    scene.simulator.state.deposit += 10_000
    pay(50)
    rest(scene)
    look(scene)
    scene.later(settings().timing.shown_after + 1)
    look(scene)
    assert told(scene) == []
