"""A reward and a number of places, or bonuses, go in; exact costs come out, rounded only where they are shown.

Prolific's fee is a third of the reward, as in its recorded data, and VAT is taken here as a fifth of the fee.
"""

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor

FEE = Fraction(1, 3)
VAT = Fraction(1, 5)


def cost(reward: int, places: int) -> Fraction:
    """What `places` places at `reward` minor units cost the researcher, fee and VAT included."""
    return reward * places * (1 + FEE * (1 + VAT))


def minor(amount: Fraction) -> int:
    """Whole minor units, halves rounded up."""
    return floor(amount + Fraction(1, 2))


@lru_cache(maxsize=1024)
def bonus_quote(amount: int) -> Mapping[str, Fraction]:
    """What bonuses of `amount` minor units cost, in the words of the document.

    Each charge is rounded up to a hundredth, which meets the document's example: fees of 283.34 on 850.
    """
    fees = _hundredths(amount * FEE)
    vat = _hundredths(fees * VAT)
    return {"amount": Fraction(amount), "fees": fees, "vat": vat, "total_amount": amount + fees + vat}


def _hundredths(amount: Fraction) -> Fraction:
    return Fraction(ceil(amount * 100), 100)


def breakdown(amount: Fraction) -> dict[str, int]:
    """Split a cost into rewards, fees and VAT; the parts add up to the rounded cost."""
    rewards = amount / cost(1, 1)
    parts = {"rewards": minor(rewards), "fees": minor(rewards * FEE)}
    return parts | {"vat": minor(amount) - sum(parts.values())}
