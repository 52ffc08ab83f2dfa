"""Bonuses: agents and sums go in, one operation for each comes out, in the caller's transaction.

The key is part of what a bonus is: the same again is the same bonus, and a second equal one needs a key of its own.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from models import budget
from models.budget import Spend
from models.operation import FINAL, Operation
from models.plan import AT_ONCE, DEFAULT_KEY, Intent, plan
from models.status import AGENT_LIVE, IllegalMoveError

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

    def problem(self) -> str | None:
        """What is wrong with it, in words; None if nothing is."""
        if self.amount_minor <= 0:
            return "a bonus must be more than zero"
        if not self.reason.strip() or len(self.reason) > LONGEST_REASON:
            return f"a bonus needs a reason, of at most {LONGEST_REASON} characters"
        if not self.key or not self.key.isprintable() or "~" in self.key or len(self.key) > LONGEST_KEY:
            return f"a key has 1 to {LONGEST_KEY} printable characters, and no ~"
        if self.agent.status in AGENT_LIVE:
            return f"agent {self.agent.id} is still at work ({self.agent.status})"
        return None


def pay(session: Session, wanted: Sequence[Bonus]) -> list[Operation]:
    """Plan each bonus, behind the approval of its work if that is under way; those that are there are returned.

    Raises:
        ValueError: a sum, a reason or a key is none; nothing is planned.
        IllegalMoveError: somebody is still at work; nothing is planned.
        BudgetError: a limit does not allow it; nothing is planned.
        ConflictError: a key was used before for another sum or reason.
    """
    for one in wanted:
        if problem := one.problem():
            raise (IllegalMoveError if one.agent.status in AGENT_LIVE else ValueError)(problem.capitalize() + ".")
    approvals = _approvals(session, [one.agent.id for one in wanted])
    intents = [_intent(one, approvals.get(one.agent.id)) for one in wanted]
    _assert_within(session, wanted, intents)
    return plan(session, intents)


def _assert_within(session: Session, wanted: Sequence[Bonus], intents: Sequence[Intent]) -> None:
    """Hold what is new against the limits; whoever plans for the same runs waits, and then sees it."""
    runs = {one.agent.task_run_id: one.agent.task_run for one in wanted}
    for _, run in sorted(runs.items()):
        session.refresh(run, ["budget_minor"], with_for_update={"key_share": True})
    there = _there(session, [intent.id for intent in intents])
    new: dict[UUID, list[Bonus]] = defaultdict(list)
    for one, intent in zip(wanted, intents, strict=True):
        if intent.id not in there:
            new[one.agent.task_run_id].append(one)
    for run_id, bonuses in sorted(new.items()):
        fees = budget.fees_of_bonuses(session, runs[run_id], [one.amount_minor for one in bonuses])
        spends = [
            Spend(amount_minor=one.amount_minor, fee_minor=fee, worker_id=one.agent.worker_id)
            for one, fee in zip(bonuses, fees, strict=True)
        ]
        budget.assert_within(session, runs[run_id], spends)


def _there(session: Session, ids: Sequence[UUID]) -> set[UUID]:
    found: set[UUID] = set()
    for start in range(0, len(ids), AT_ONCE):
        found |= set(session.scalars(select(Operation.id).where(Operation.id.in_(ids[start : start + AT_ONCE]))))
    return found


def _intent(one: Bonus, after_id: UUID | None) -> Intent:
    agent = one.agent
    return Intent(
        requester_id=agent.requester_id,
        kind=KIND,
        target=agent.submission,
        key=one.key,
        body={"reason": one.reason.strip()},
        amount_minor=one.amount_minor,
        currency=agent.task_run.currency,
        run_id=agent.task_run_id,
        unit_id=agent.unit_id,
        agent_id=agent.id,
        after_id=after_id,
    )


def _approvals(session: Session, agents: Sequence[UUID]) -> dict[UUID | None, UUID]:
    """What is still to come before the bonus: who gets it should first be paid for the work."""
    found: dict[UUID | None, UUID] = {}
    for start in range(0, len(agents), AT_ONCE):
        some = (Operation.agent_id.in_(agents[start : start + AT_ONCE]), Operation.kind == "approve")
        rows = select(Operation.agent_id, Operation.id).where(*some, Operation.state.notin_(FINAL))
        found |= dict(session.execute(rows).all())
    return found
