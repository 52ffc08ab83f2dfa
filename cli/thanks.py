"""The demonstration's bonuses: a run goes in, a file of whom to thank and the operations that it leads to come out."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import cycle
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select

from cli import bonuses, console, money
from cli.bonuses import Asked
from models.agent import Agent
from models.plan import DEFAULT_KEY
from models.session import transaction
from models.status import AgentStatus

SUMS = (Decimal("0.15"), Decimal("0.25"), Decimal("0.33"), Decimal("0.50"))
"""What one after the other gets, in major units."""
REASON = "Thank you: your description says what was there before it says what you think."
KEY = "good-description"
COLUMNS = ("agent", "amount", "reason", "key")
ON_TOP = 2
"""How many times a bonus its fees and taxes make of it at most."""


@dataclass(slots=True)
class Thanks:
    """The file, and what came of paying it."""

    file: Path
    planned: int = 0
    """Operations that it led to, the first one's included."""
    again: int | None = None
    """How many more it led to when it was paid a second time; None before that."""

    def pay_one(self, run_id: UUID) -> str:
        """Write the file for half of those whose work is approved, and thank the first as `bonus pay --agent` does.

        Returns what was done, in words.

        Raises:
            FailedError: the vendor does not answer; nothing is planned, and it may be tried again.
        """
        agents = _approved(run_id)
        _write(agents, self.file)
        words = {"amount": str(SUMS[0]), "reason": REASON, "key": KEY}
        bonuses.pay(Asked(None, [str(agents[0])], None, words))
        return f"Planned a bonus for agent {agents[0]}, who is the first in {self.file} as well."

    def pay(self) -> str:
        """Pay the file as `crowdops bonus pay` does; what was done, in words.

        Raises:
            FailedError: the vendor does not answer; nothing is planned, and it may be tried again.
        """
        planned, costs = bonuses.pay(_asked(self.file))
        self.planned = len(planned.fresh) + len(planned.there)
        amount, fees = (money.shown(sum_, planned.currency) for sum_ in (planned.amount_minor, costs.fee_minor))
        many = console.counted(len(planned.fresh), "more bonus")
        return f"Planned {many} from {self.file}: {amount} for workers and about {fees} of fees on top."

    def pay_again(self) -> str:
        """Pay the very same file once more, which must add nothing; what came of it, in words."""
        planned, _ = bonuses.pay(_asked(self.file))
        self.again = len(planned.fresh)
        there = console.counted(len(planned.there), "bonus")
        return f"Paid the same file a second time: {there} were there already, and {self.again} were added."

    def problems(self) -> Iterator[str]:
        """What should have come of it and did not."""
        if self.again is None:
            yield f"the bonuses were to be planned and planned again, but only {self.planned} were planned, once"
        if self.again:
            yield f"the same file of bonuses added {self.again} when it was paid a second time"

    def data(self) -> dict[str, Any]:
        """The same for machines."""
        return {"file": self.file, "planned": self.planned, "added_again": self.again}


def most(units: int) -> Decimal:
    """The most that thanking half of so many people costs, fees and taxes included, in major units."""
    return (units // 2 + 1) * max(SUMS) * ON_TOP


def _asked(file: Path) -> Asked:
    return Asked(None, [], file, {"amount": None, "reason": None, "key": DEFAULT_KEY})


def _approved(run_id: UUID) -> Sequence[UUID]:
    """Every other agent whose work is approved, by whomever."""
    with transaction() as session:
        approved = select(Agent.id).where(Agent.task_run_id == run_id, Agent.status == AgentStatus.APPROVED)
        return session.scalars(approved.order_by(Agent.id)).all()[::2]


def _write(agents: Sequence[UUID], file: Path) -> None:
    with file.open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(COLUMNS)
        rows.writerows((agent, amount, REASON, KEY) for agent, amount in zip(agents, cycle(SUMS), strict=False))
