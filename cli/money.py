"""Amounts as people write them go in (1.20), minor units come out (120), and back; never a float."""

import re
from decimal import Decimal

from models.money import EXPONENTS, minor, shown

__all__ = ["EXPONENTS", "amount", "minor", "shown"]

_AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]+)?")


def amount(text: object, currency: str | None) -> Decimal:
    """Read an amount in major units exactly; without a currency its decimals are not checked.

    Raises:
        ValueError: it is no such amount, is not more than zero, or has more decimals than the currency.
    """
    if not isinstance(text, str) or not _AMOUNT.fullmatch(text.strip().removeprefix("-")):
        raise ValueError("must be an amount in major units, such as 1.20")
    read = Decimal(text.strip())
    if read <= 0:
        raise ValueError("must be more than zero")
    if currency is None:
        return read
    places = EXPONENTS[currency]
    if -int(read.as_tuple().exponent) > places:
        raise ValueError(f"has more decimals than {currency}, which has {places}")
    return read.quantize(Decimal(1).scaleb(-places))
