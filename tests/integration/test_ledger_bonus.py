"""A bonus has its money reserved, and it is paid with what the vendor takes, or given back."""

import pytest
from sqlalchemy.exc import ProgrammingError

from models.operation import State
from models.posting import Entry, Posting, Purpose
from tests.integration.book import QUOTED, bonus, entries, money, names, put


def test_a_bonus_is_reserved_when_planned_and_settled_when_confirmed(scene):
    run = scene.live(3, **QUOTED)
    scene.completed(run)
    paid = bonus(scene, run)
    assert (money(run, Purpose.BONUS).open_minor, money(run, Purpose.BONUS).open_fee_minor) == (50, 14)
    put(paid, State.CONFIRMED, {})
    found = money(run, Purpose.BONUS)
    assert (found.amounts[Entry.SETTLE], found.fees[Entry.SETTLE], found.open_minor) == (50, 14, 0)
    assert names() == set()


@pytest.mark.parametrize("named", [0, 9, 20, "20"])
def test_a_fee_that_the_vendor_names_replaces_the_estimate(scene, named):
    run = scene.live(3, **QUOTED)
    scene.completed(run)
    put(bonus(scene, run), State.CONFIRMED, {"fee_minor": named})
    found = money(run, Purpose.BONUS)
    assert (found.fees[Entry.SETTLE], found.fees[Entry.ADJUST], found.open_fee_minor) == (
        int(named),
        int(named) - 14,
        0,
    )
    assert names() == set()


def test_a_fee_that_is_nonsense_does_not_keep_a_payment_from_being_recorded(scene):
    run = scene.live(3, **QUOTED)
    scene.completed(run)
    put(bonus(scene, run), State.CONFIRMED, {"fee_minor": "about 5"})
    assert money(run, Purpose.BONUS).fees[Entry.SETTLE] == 14


@pytest.mark.parametrize("end", [State.REJECTED, State.CANCELLED])
def test_a_bonus_that_comes_to_nothing_gives_its_money_back(scene, end):
    run = scene.live(3, **QUOTED)
    scene.completed(run)
    put(bonus(scene, run), end)
    assert entries(scene, Posting.purpose == Purpose.BONUS) == {"reserve": 1, "release": 1}
    assert (money(run, Purpose.BONUS).open_minor, money(run, Purpose.BONUS).open_fee_minor) == (0, 0)
    assert names() == set()


def test_the_same_bonus_again_reserves_nothing_more(scene):
    run = scene.live(1)
    scene.completed(run)
    assert bonus(scene, run).id == bonus(scene, run).id
    assert entries(scene, Posting.purpose == Purpose.BONUS) == {"reserve": 1}


def test_a_bonus_in_another_currency_than_its_run_is_refused(scene):
    run = scene.live(1)
    scene.completed(run)
    with pytest.raises(ProgrammingError, match="pays a bonus in USD, but its run is in GBP"):
        bonus(scene, run, currency="USD")
