"""Bonuses in figures: amounts in the rows that go out, shares of fees, and what was added since a snapshot."""

from collections import Counter
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.contract import Absent, Done, Request
from providers.errors import UnknownError
from providers.prolific import evidence, mapping
from providers.prolific.simulator.bonus import rows_of
from providers.prolific.simulator.money import bonus_quote

ANNA = "a" * 24
AMOUNTS = st.lists(st.integers(1, 10**6), min_size=1, max_size=100)
#: Few sums, so that equal ones come together often.
SUMS = st.lists(st.integers(1, 4), max_size=8)


def bonus(amount, before):
    """A bonus that is read back, with what was there before it."""
    baseline = None if before is None else {"bonus_payments": before}
    return Request(UUID(int=1), "bonus", ANNA, {}, amount_minor=amount, currency="GBP", baseline=baseline)


@pytest.mark.parametrize(
    ("amount", "text"), [(1, "0.01"), (10, "0.10"), (100, "1.00"), (3000, "30.00"), (123456789, "1234567.89")]
)
def test_minor_units_become_a_decimal_in_major_units(amount, text):
    assert mapping.major(amount, "GBP") == text


@given(st.integers(1, 10**9 - 1))
def test_what_is_written_is_read_as_the_same_sum(amount):
    text = mapping.major(amount, "USD")
    assert Decimal(text) * 100 == amount
    assert rows_of(f"{ANNA},{text}\n") == [(ANNA, amount)]


@pytest.mark.parametrize("currency", ["JPY", "KRW", "BHD", "gbp", ""])
def test_a_currency_whose_minor_unit_is_no_hundredth_is_refused(currency):
    with pytest.raises(ValueError, match="Prolific pays in EUR, GBP, USD"):
        mapping.major(100, currency)


@given(AMOUNTS, st.decimals(0, 10**9, places=2))
def test_shares_of_a_fee_add_up_to_it_and_are_fair(amounts, fee):
    shares = mapping.fee_shares(fee, amounts)
    whole, total = mapping.minor(fee), sum(amounts)
    assert sum(shares) == whole
    assert all(abs(share * total - whole * amount) <= total for share, amount in zip(shares, amounts, strict=True))


def test_equal_bonuses_share_what_cannot_be_parted_in_turn():
    assert mapping.fee_shares(Decimal("283.34"), [425, 425]) == [142, 141]
    assert mapping.fee_shares(Decimal("0.99"), [1, 1, 1]) == [0, 1, 0]


@given(SUMS, SUMS, st.integers(1, 4))
def test_a_bonus_is_there_when_its_sum_is_among_what_was_added(before, added, amount):
    now = sorted(before + added)
    assert evidence.paid(bonus(amount, before), now) == (Done() if amount in added else Absent())


@given(SUMS, SUMS, st.integers(1, 4))
def test_nothing_is_told_when_something_is_gone(before, now, amount):
    outcome = evidence.paid(bonus(amount, before), now)
    assert isinstance(outcome, UnknownError) == bool(Counter(before) - Counter(now))


@pytest.mark.parametrize("before", [None, "150", {"150": 1}])
def test_nothing_is_told_without_a_snapshot(before):
    assert isinstance(evidence.paid(bonus(150, before), [150]), UnknownError)


@pytest.mark.parametrize("value", [-1, "850", True, None, 10**12])
def test_a_quote_is_a_number_of_a_sensible_size(value):
    with pytest.raises(ValueError, match="number"):
        mapping.exact(value)


def test_the_simulator_quotes_as_the_document_s_example():
    quote = {name: str(float(part)) for name, part in bonus_quote(850).items()}
    assert (quote["amount"], quote["fees"]) == ("850.0", "283.34")


@pytest.mark.parametrize("text", ["", "\n", "a", "a,b", "a,1,1", ",1", "a,0", "a,1.234", 'a,"1\n2"'])
def test_the_simulator_reads_no_rows_that_are_none(text):
    with pytest.raises(ValueError, match=r"row|Row"):
        rows_of(text)
