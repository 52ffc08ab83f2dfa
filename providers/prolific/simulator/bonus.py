"""Bonuses that are set up together: rows of CSV become sums, and a quote of what they cost, in minor units."""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from io import StringIO
from typing import Any

from providers.prolific.simulator.money import bonus_quote
from providers.prolific.simulator.study import Study
from providers.prolific.simulator.submission import Submission

_AMOUNT = re.compile(r"[0-9]{1,7}(\.[0-9]{1,2})?")
_COLUMNS = 2


@dataclass(frozen=True, slots=True)
class Batch:
    """What one call set up. It may be paid, and paid again."""

    id: str
    study: Study
    bonuses: Sequence[tuple[Submission, int]]

    @property
    def quote(self) -> Mapping[str, Fraction]:
        """What the participants get, Prolific's fees, the VAT, and all together."""
        return bonus_quote(sum(amount for _, amount in self.bonuses))

    def shown(self) -> dict[str, Any]:
        """The shape of the document (BulkBonus), where fees may be fractions of a minor unit."""
        sums = {name: int(part) if part.denominator == 1 else float(part) for name, part in self.quote.items()}
        return {"id": self.id, "study": self.study.id} | sums


def rows_of(text: str) -> list[tuple[str, int]]:
    """Ids with their amounts in minor units; the amounts of the CSV are decimals in major units, so 30 is 30.00.

    Raises:
        ValueError: there is no row, or one of them is no id with an amount.
    """
    rows = [[part.strip() for part in row] for row in csv.reader(StringIO(text)) if row]
    for number, row in enumerate(rows, 1):
        if len(row) != _COLUMNS or not row[0] or not _AMOUNT.fullmatch(row[1]) or Decimal(row[1]) <= 0:
            raise ValueError(f"Row {number} must be an id and an amount above zero, such as 1.50.")
    if not rows:
        raise ValueError("There is no row.")
    return [(id_, int(Decimal(amount) * 100)) for id_, amount in rows]
