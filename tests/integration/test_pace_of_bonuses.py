"""What is read before a bonus is paid counts for the pace of its account, and a member that is throttled slows it."""

import pytest

from models.operation import FINAL, State
from models.requester import Requester
from models.session import transaction
from tasks import pacing
from tests.integration.test_bonus import PAY, READ, paid, pay, planned, rest, run

__all__ = ["pay", "run"]


@pytest.fixture
def slow(scene, run):
    """An account with one token, and one more a second."""
    assert run
    with transaction() as session:
        row = session.get_one(Requester, scene.account)
        row.rate, row.tokens, row.tokens_at = 1.0, 1.0, pacing.now()
    return row


def account(scene):
    return scene.get(Requester, scene.account)


@pytest.mark.usefixtures("slow")
def test_reads_before_a_payment_take_tokens_so_whoever_comes_next_waits_for_them(scene, pay):
    scene.send(*pay(50, 75, 100))
    granted, wait = pacing.take(scene.account, 1)
    assert granted == 0
    assert 1 < wait <= 3.1


def test_what_was_read_before_is_not_paid_for_again(scene, pay, slow):
    (operation,) = pay(50)
    scene.put(operation, baseline={"bonus_payments": []})
    assert scene.send(operation)
    assert account(scene).tokens == slow.tokens


def test_one_member_that_is_throttled_slows_the_account_and_ends_the_reads(scene, pay, run):
    before, reads = account(scene), scene.calls(READ)
    assert run
    operations = pay(50, 75, 100)
    scene.fault(READ, "429_retry_after", seconds=7)
    scene.send(*operations)
    after = account(scene)
    assert after.rate < before.rate
    assert after.failures == 0
    assert scene.calls(READ) == reads + 1
    assert (scene.calls(PAY), scene.states("bonus")) == (0, {State.PLANNED})
    assert max(scene.seconds_until(row.next_at) for row in scene.operations("bonus")) > 5
    rest(scene)
    assert paid(scene) == planned(scene)


def test_a_read_back_that_is_throttled_for_one_of_several_slows_the_account(scene, pay):
    operations = pay(50, 75)
    scene.send(*operations)
    before = account(scene)
    scene.later(120)
    scene.fault(READ, "429")
    scene.read(*operations)
    assert account(scene).rate < before.rate
    rest(scene)
    assert scene.states("bonus") <= FINAL
    assert paid(scene) == planned(scene)
