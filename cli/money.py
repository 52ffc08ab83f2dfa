"""Amounts as people write them go in (1.20), minor units come out (120), and back; never a float."""

import re
from decimal import Decimal

EXPONENTS = {
    **dict.fromkeys(("AUD", "CAD", "CHF", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "ILS", "INR", "MXN"), 2),
    **dict.fromkeys(("NOK", "NZD", "PLN", "SEK", "SGD", "USD", "ZAR"), 2),
    **dict.fromkeys(("ISK", "JPY", "KRW"), 0),
    **dict.fromkeys(("BHD", "JOD", "KWD", "OMR", "TND"), 3),
}
"""How many decimals a currency has (ISO 4217)."""
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


def minor(value: Decimal, currency: str) -> int:
    """The amount in minor units of its currency."""
    return int(value.scaleb(EXPONENTS[currency]))


def shown(amount_minor: int, currency: str) -> str:
    """Minor units as people read them: ``GBP 1.20``; of a currency that is not known, as they are."""
    if currency not in EXPONENTS:
        return f"{amount_minor} minor units of {currency}"
    return f"{currency} {Decimal(amount_minor).scaleb(-EXPONENTS[currency]):,f}"
