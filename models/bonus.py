"""Bonuses: agents and sums go in, one operation for each comes out, in the caller's transaction.

The key is part of what a bonus is: the same again is the same bonus, and a second equal one needs a key of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from models import budget, bulk, wanted
from models.identity import operation_id
from models.operation import Operation
from models.plan import DEFAULT_KEY, ConflictError
from models.status import IllegalMoveError
from models.wanted import Wanted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy.orm import Session

    from models.agent import Agent

KIND = "bonus"
LONGEST_KEY = 100
LONGEST_REASON = 1000


@dataclass(frozen=True, slots=True)
class Bonus:
    """What one worker gets on top for one submission: `amount_minor` in minor units of the run's currency, and why."""

    agent: Agent
    amount_minor: int
    reason: str
    key: str = DEFAULT_KEY

    @property
    def id(self) -> UUID:
        """The operation that it is."""
        agent = self.agent
        return identity(agent.requester_id, agent.submission, self.key, self.amount_minor, agent.task_run.currency)


def identity(account: UUID, submission: str, key: str, amount_minor: int, currency: str) -> UUID:
    """The operation that a bonus is."""
    return operation_id(account, KIND, submission, key, amount_minor, currency)


def problem(amount_minor: int, reason: str, key: str) -> str | None:
    """What is wrong with a bonus, in words; None if nothing is."""
    if amount_minor <= 0:
        return "a bonus must be more than zero"
    if not reason.strip() or len(reason) > LONGEST_REASON:
        return f"a bonus needs a reason, of at most {LONGEST_REASON} characters"
    if not key or not key.isprintable() or "~" in key or len(key) > LONGEST_KEY:
        return f"a key has 1 to {LONGEST_KEY} printable characters, and no ~"
    return None


def pay(session: Session, bonuses: Sequence[Bonus]) -> list[Operation]:
    """Plan each bonus, behind the approval of its work if that is under way; those that are there are returned.

    Raises:
        ValueError: a sum, a reason or a key is none; nothing is planned.
        IllegalMoveError: somebody is still at work; nothing is planned.
        BudgetError: a limit does not allow it; nothing is planned.
        ConflictError: a key was used before for another sum or reason; nothing is planned.
    """
    for one in bonuses:
        if wrong := problem(one.amount_minor, one.reason, one.key):
            raise ValueError(f"{wrong.capitalize()}.")
    rows = {
        (one.id, one.reason.strip()): Wanted(line, one.id, one.agent.id, one.amount_minor, one.reason.strip(), one.key)
        for line, one in enumerate(bonuses, 1)
    }
    wanted.begin(session)
    wanted.add(session, list(rows.values()))
    wanted.hold(session)
    _assert_new(session)
    assert_within(session)
    write(session, len(wanted.fresh(session)))
    planned = select(Operation).where(bulk.among(Operation.id, [one.id for one in rows.values()]))
    found = {row.id: row for row in session.scalars(planned)}
    return [found[one.id] for one in bonuses]


def assert_within(session: Session) -> None:
    """Hold what is wanted and new against the limits; whoever plans for the same runs waits, and then sees it.

    Raises:
        BudgetError: with the limit and the figures.
    """
    budget.assert_all_within(session, wanted.asked(session))


def write(session: Session, expected: int) -> None:
    """Plan what is wanted and new, which is so many.

    Raises:
        ConflictError: somebody planned the same meanwhile by another way; nothing must be committed.
    """
    if wanted.write(session) != expected:
        raise ConflictError("Somebody planned some of these bonuses at the same time. Nothing was planned: try again.")


def _assert_new(session: Session) -> None:
    """Refuse what cannot be planned as it is wanted."""
    for row in wanted.early(session):
        raise IllegalMoveError(f"Agent {row.id} is still at work ({row.status}).")
    for row in wanted.otherwise(session):
        theirs = (row.amount_minor, row.currency, {"reason": row.reason})
        ours = (row.now_minor, row.now_currency, {"reason": row.now_reason})
        raise ConflictError(
            f"{KIND} of {row.submission} under key {row.key!r} is already operation {row.id} with {theirs}; now asked "
            f"for with {ours}. Use another key for another intent."
        )
    if wanted.twice(session):
        raise ConflictError("The same work is named twice under one key. Use another key for another bonus.")
