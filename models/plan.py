"""An operator's intent goes in, operation rows come out: in the caller's transaction, with no I/O beside it.

The same intent twice is one operation; the same key with other content is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import object_session

from models.identity import operation_id
from models.operation import Operation, State
from models.status import IllegalMoveError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy.orm import Session

DEFAULT_KEY = "1"
FALLEN = (State.REJECTED, State.CANCELLED)
"""States of an intent that came to nothing; trying it again is a new operation."""
AT_ONCE = 10_000
"""Ids in one query; Postgres takes 65,535 parameters."""


class ConflictError(Exception):
    """The same key was used before with other content; both are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One effect that is wanted. `target` is the vendor-stable name of what it is done to."""

    requester_id: UUID
    kind: str
    target: str
    key: str = DEFAULT_KEY
    body: dict[str, Any] = field(default_factory=dict)
    amount_minor: int | None = None
    currency: str | None = None
    run_id: UUID | None = None
    unit_id: UUID | None = None
    agent_id: UUID | None = None
    worker_id: UUID | None = None
    after_id: UUID | None = None
    hold: str | None = None

    @property
    def id(self) -> UUID:
        """The id of the operation that this intent is."""
        return operation_id(self.requester_id, self.kind, self.target, self.key, self.amount_minor, self.currency)

    def row(self) -> dict[str, Any]:
        """The columns of its operation."""
        return {"id": self.id} | {name: getattr(self, name) for name in self.__slots__}


def plan(session: Session, intents: Sequence[Intent]) -> list[Operation]:
    """Write operations for the intents and return them in order; those that exist are returned as they are.

    Raises:
        ConflictError: a key was used before with another amount or body.
    """
    if intents:
        # In one order whoever comes, so that two who plan the same do not wait for each other in a circle.
        rows = [intent.row() for intent in sorted(intents, key=lambda intent: intent.id)]
        session.execute(insert(Operation).on_conflict_do_nothing(), rows)
    return [_same(found, intent) for found, intent in zip(_existing(session, intents), intents, strict=True)]


def _existing(session: Session, intents: Sequence[Intent]) -> list[Operation]:
    found: dict[UUID, Operation] = {}
    ids = [intent.id for intent in intents]
    for start in range(0, len(ids), AT_ONCE):
        rows = session.scalars(select(Operation).where(Operation.id.in_(ids[start : start + AT_ONCE])))
        found |= {row.id: row for row in rows}
    return [found.get(intent.id) or _of_key(session, intent) for intent in intents]


def _of_key(session: Session, intent: Intent) -> Operation:
    """What holds the key of an intent that has another id: the amount is part of an id, and is not the same."""
    names = ("requester_id", "kind", "target", "key")
    same = (getattr(Operation, name) == getattr(intent, name) for name in names)
    return session.scalars(select(Operation).where(*same)).one()


def _same(found: Operation, intent: Intent) -> Operation:
    theirs = (found.amount_minor, found.currency, found.body)
    ours = (intent.amount_minor, intent.currency, intent.body)
    if theirs != ours:
        raise ConflictError(
            f"{intent.kind} of {intent.target} under key {intent.key!r} is already operation {found.id} with "
            f"{theirs}; now asked for with {ours}. Use another key for another intent."
        )
    return found


def session_of(instance: object) -> Session:
    """The open transaction of a row.

    Raises:
        RuntimeError: it belongs to none.
    """
    session = object_session(instance)
    if session is None:
        raise RuntimeError("A verb needs an object that belongs to an open transaction.")
    return session


def retry(session: Session, operation: Operation) -> Operation:
    """Try a refused or withdrawn intent again under the next key; what fell with it is planned again behind it.

    Trying the same operation again twice is one new operation.

    Raises:
        IllegalMoveError: the operation is not over, or it was carried out.
        BudgetError: it pays, and that would go beyond the run's budget or a limit of the account by now.
    """
    if operation.state not in FALLEN:
        raise IllegalMoveError(f"Operation {operation.id} is {operation.state}; only a refused one is tried again.")
    return _again(session, operation, operation.after_id)


def _again(session: Session, operation: Operation, after_id: UUID | None) -> Operation:
    base, _, times = operation.key.partition("~")
    intent = Intent(
        **{name: getattr(operation, name) for name in Intent.__slots__ if name not in ("key", "after_id")},
        key=f"{base}~{int(times or 1) + 1}",
        after_id=after_id,
    )
    _assert_paid(session, operation, intent)
    again = plan(session, [intent])[0]
    # What is still planned behind it falls with the next sweep, so it comes along as well.
    waiting = Operation.state.in_((*FALLEN, State.PLANNED))
    for behind in session.scalars(select(Operation).where(Operation.after_id == operation.id, waiting)):
        _again(session, behind, again.id)
    return again


def _assert_paid(session: Session, operation: Operation, again: Intent) -> None:
    """What was refused gave its money back to the budget, so it is asked for again, once."""
    from models.agent import Agent  # noqa: PLC0415 - an agent's verbs need this module
    from models.budget import Spend, assert_within, fees_of_bonuses  # noqa: PLC0415 - likewise

    pays = operation.kind == "bonus" and operation.agent_id is not None
    agent = session.get(Agent, operation.agent_id) if pays else None
    if agent is None or session.get(Operation, again.id) is not None:
        return
    run, amount = agent.task_run, operation.amount_minor or 0
    (fee,) = fees_of_bonuses(session, run, [amount])
    assert_within(session, run, [Spend(amount_minor=amount, fee_minor=fee, worker_id=agent.worker_id)])
