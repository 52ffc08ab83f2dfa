"""Amounts in minor units and the decimals of currencies: 120 goes in, ``GBP 1.20`` comes out; never a float."""

from decimal import Decimal

EXPONENTS = {
    **dict.fromkeys(("AUD", "CAD", "CHF", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "ILS", "INR", "MXN"), 2),
    **dict.fromkeys(("NOK", "NZD", "PLN", "SEK", "SGD", "USD", "ZAR"), 2),
    **dict.fromkeys(("ISK", "JPY", "KRW"), 0),
    **dict.fromkeys(("BHD", "JOD", "KWD", "OMR", "TND"), 3),
}
"""How many decimals a currency has (ISO 4217)."""


def minor(value: Decimal, currency: str) -> int:
    """The amount in minor units of its currency."""
    return int(value.scaleb(EXPONENTS[currency]))


def shown(amount_minor: int, currency: str) -> str:
    """Minor units as people read them: ``GBP 1.20``; of a currency that is not known, as they are."""
    if currency not in EXPONENTS:
        return f"{amount_minor} minor units of {currency}"
    return f"{currency} {Decimal(amount_minor).scaleb(-EXPONENTS[currency]):,f}"
