"""What the vendor shows of a submission is held against our bonuses, and nobody's payment is taken for ours."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as some

from models.discrepancy import Finding
from models.operation import FINAL, State
from tasks.payments import Bonus, Found, compare

AMOUNTS = some.integers(1, 4)


def bonuses(*rows):
    """Operations by amount and state, all sent long ago."""
    return [Bonus(UUID(int=n), amount, state, sent=True, due=True) for n, (amount, state) in enumerate(rows)]


def test_what_was_paid_and_is_shown_fits():
    found = compare([50, 70, 50], bonuses((50, State.CONFIRMED), (50, State.CONFIRMED), (70, State.CONFIRMED)))
    assert found == Found([], [], [])
    assert found.told("GBP") is None


def test_a_payment_that_nobody_made_here_is_named_with_its_sum():
    found = compare([50, 50], bonuses((50, State.CONFIRMED)))
    assert found.told("GBP") == (
        Finding.FOREIGN_PAYMENT,
        "the vendor shows bonuses of 50 minor units of GBP that no operation paid",
    )


def test_a_payment_that_is_not_shown_is_missing_once_its_time_has_come():
    (paid,) = bonuses((50, State.CONFIRMED))
    fresh = Bonus(paid.id, 50, State.CONFIRMED, sent=True, due=False)
    assert compare([], [fresh]).told("GBP") is None
    assert compare([], [paid]).told("GBP")[0] is Finding.MISSING_PAYMENT


def test_another_sum_than_ours_is_one_finding():
    found = compare([60], bonuses((50, State.CONFIRMED)))
    assert found.told("GBP") == (
        Finding.OTHER_AMOUNT,
        "the vendor shows bonuses of 60 minor units of GBP, and not ours of 50 minor units of GBP",
    )


@pytest.mark.parametrize("state", sorted(set(State) - FINAL))
def test_what_one_in_doubt_may_have_paid_is_evidence_and_no_finding(state):
    (row,) = bonuses((50, state))
    assert compare([50], [row]) == Found([], [], [row.id])


@pytest.mark.parametrize("state", [State.REJECTED, State.CANCELLED])
def test_what_was_given_up_here_and_is_shown_is_foreign(state):
    assert compare([50], bonuses((50, state))).foreign == [50]


def test_what_was_never_sent_explains_nothing():
    planned = Bonus(UUID(int=1), 50, State.PLANNED, sent=False, due=False)
    assert compare([50], [planned]).foreign == [50]


@given(some.lists(AMOUNTS, max_size=6), some.lists(some.tuples(AMOUNTS, some.sampled_from(State)), max_size=6))
def test_every_sum_is_accounted_for_once(shown, rows):
    ours = bonuses(*rows)
    found = compare(shown, ours)
    paid = sorted(amount for amount, state in rows if state is State.CONFIRMED)
    doubtful = [one.amount_minor for one in ours if one.id in found.doubtful]
    assert sorted([*found.foreign, *doubtful, *paid]) == sorted([*shown, *found.missing])
