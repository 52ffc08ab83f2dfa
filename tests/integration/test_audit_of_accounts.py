"""Accounts that share a purse are looked at together, and however many look at once, each thing is found once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from models import bonus
from models.agent import Agent
from models.bonus import Bonus
from models.discrepancy import Discrepancy, Finding
from models.requester import Requester
from models.session import transaction
from models.settings import settings
from tasks import audit, balance
from tests.integration.scene import Scene
from tests.integration.test_bonus import pay, rest, run
from tests.integration.test_payments import look, told

__all__ = ["pay", "run"]


@pytest.fixture
def shop(scene, run):
    """Another account of the same workspace, with a piece of work that is handed in."""
    assert run
    other = Scene(scene.simulator, "shop")
    theirs = other.live(1, "theirs", quoted_minor=168, quoted_places=1)
    other.completed(theirs, 1)
    return other


def spend(shop):
    """The other account approves its work and pays something on top."""
    with transaction() as session:
        (agent,) = session.scalars(select(Agent).where(Agent.requester_id == shop.account))
        agent.approve_work()
        bonus.pay(session, [Bonus(agent, 500, "good", "1")])
    rest(shop)


def a_day_passes(*scenes):
    """Everybody is looked at, and again a day later."""
    for wait in (0, settings().timing.shown_after + 1, 60):
        scenes[0].later(wait)
        for one in scenes:
            look(one)


def test_what_another_account_of_the_workspace_pays_is_no_finding(scene, shop, pay):
    a_day_passes(scene, shop)
    spend(shop)
    pay(50)
    rest(scene)
    a_day_passes(scene, shop)
    assert told(scene) == []


def test_money_that_leaves_a_shared_purse_by_another_door_is_reported_once(scene, shop):
    a_day_passes(scene, shop)
    spend(shop)
    scene.simulator.state.deposit -= 5000
    a_day_passes(scene, shop)
    wanted = "the balance went down by 5000 minor units of GBP more than was paid from here, by this account and 1 more"
    (found,) = told(scene)
    assert found[0] is Finding.BALANCE
    assert found[1].startswith(wanted)


def test_an_account_of_another_workspace_is_not_counted(scene, shop):
    with transaction() as session:
        row = session.get_one(Requester, shop.account)
        row.facts = row.facts | {"workspace": "5" * 24}
    assert balance.before(scene.account).accounts == [scene.account]
    assert balance.before(shop.account).accounts == [shop.account]


def test_a_reading_that_is_older_than_the_last_one_makes_no_payment_look_like_money_astray(scene, pay):
    """Two rounds at once: the slow one asked before a payment, and comes when that is on record."""
    pay(500)
    slow = balance.before(scene.account)
    rest(scene)
    look(scene)
    with transaction() as session:
        (kept,) = session.execute(select(balance.BalanceReading.total_minor)).one()
    balance.look(slow, balance.Quote(kept + 700, "GBP"))
    scene.later(settings().timing.shown_after + 1)
    look(scene)
    look(scene)
    assert told(scene) == []


def test_a_slot_is_audited_once_however_many_beats_there_are(scene, pay):
    pay(50)
    with ThreadPoolExecutor(4) as pool:
        begun = list(pool.map(lambda _: audit.begin(), range(8)))
    assert sorted(begun) == [[]] * 7 + [[scene.account]]
    scene.later(settings().timing.audit_every)
    assert audit.begin() == [scene.account]


def test_two_rounds_at_once_find_everything_once(scene, pay):
    (operation, *_) = pay(50, 75)
    rest(scene)
    look(scene)
    scene.simulator.state.pay_bonus(operation.target, 50)
    scene.simulator.state.deposit -= 5000
    for _ in range(2):
        scene.later(settings().timing.shown_after + 1)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: look(scene), range(4)))
    found = sorted(row.finding for row in scene.all(Discrepancy))
    assert found == [Finding.BALANCE, Finding.FOREIGN_PAYMENT]
