"""Compares the bonuses of one submission with what the vendor shows: two lists in, what does not fit out. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from models.discrepancy import Finding
from models.operation import State


@dataclass(frozen=True, slots=True)
class Bonus:
    """An operation that pays a bonus: where it stands, whether it was ever sent, and whether it must show by now."""

    id: UUID
    amount_minor: int
    state: State
    sent: bool
    due: bool


@dataclass(frozen=True, slots=True)
class Found:
    """Amounts that only one side has, and operations in doubt that an amount of the vendor's may belong to."""

    foreign: Sequence[int] = ()
    missing: Sequence[int] = ()
    doubtful: Sequence[UUID] = field(default=())

    def told(self, currency: str) -> tuple[Finding, str] | None:
        """What it is, in words that are the same whenever it is seen; None if all fits."""
        theirs, ours = _listed(self.foreign, currency), _listed(self.missing, currency)
        if self.foreign and self.missing:
            return Finding.OTHER_AMOUNT, f"the vendor shows bonuses of {theirs}, and not ours of {ours}"
        if self.foreign:
            return Finding.FOREIGN_PAYMENT, f"the vendor shows bonuses of {theirs} that no operation paid"
        if self.missing:
            return Finding.MISSING_PAYMENT, f"the vendor does not show bonuses of {ours} that were paid"
        return None


def _listed(amounts: Sequence[int], currency: str) -> str:
    return " and ".join(map(str, amounts)) + f" minor units of {currency}"


def compare(shown: Sequence[int], bonuses: Iterable[Bonus]) -> Found:
    """What does not fit between what the vendor shows of a submission and our operations on it.

    An amount that one in doubt may have paid is nobody else's until that is settled.
    """
    bonuses = sorted(bonuses, key=lambda one: one.id)
    paid = [one for one in bonuses if one.state is State.CONFIRMED]
    foreign = Counter(shown)
    foreign.subtract(one.amount_minor for one in paid)
    missing = Counter(shown)
    missing.subtract(one.amount_minor for one in paid if one.due)
    doubtful = []
    for one in bonuses:
        if one.sent and one.state in _OPEN and foreign[one.amount_minor] > 0:
            foreign[one.amount_minor] -= 1
            doubtful.append(one.id)
    return Found(sorted((+foreign).elements()), sorted((-missing).elements()), doubtful)


_OPEN = (State.PLANNED, State.SENDING, State.SUBMITTED, State.UNKNOWN, State.REVIEW)
