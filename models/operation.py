"""An operation is one intended vendor effect: what was meant, where it stands, and which moves are legal.

    planned   -> sending | cancelled | rejected | review | confirmed
    sending   -> confirmed | rejected | planned | submitted | unknown
    submitted -> confirmed | planned | rejected | review
    unknown   -> confirmed | planned | rejected | review
    review    -> confirmed | planned | rejected

confirmed, rejected and cancelled are final: a correction is a new operation.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    UniqueConstraint,
    Uuid,
    any_,
    bindparam,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base, by_value
from models.requester import Requester
from models.settings import settings


class State(StrEnum):
    """Where an operation stands."""

    PLANNED = "planned"  #: Committed; nothing is on its way to the vendor.
    SENDING = "sending"  #: A worker holds it under a lease and may have sent it.
    SUBMITTED = "submitted"  #: The vendor said "accepted, done later".
    UNKNOWN = "unknown"  #: Sent, perhaps; only a read can tell.
    REVIEW = "review"  #: A person must decide.
    CONFIRMED = "confirmed"  #: The effect is there, seen.
    REJECTED = "rejected"  #: The vendor refused, definitely, or what came before it was refused.
    CANCELLED = "cancelled"  #: Withdrawn while nothing of it was on its way.


_S = State
MOVES: Mapping[State, frozenset[State]] = {
    # planned -> confirmed is late evidence; -> rejected a predecessor's refusal; -> review attempts used up.
    _S.PLANNED: frozenset({_S.SENDING, _S.CANCELLED, _S.REJECTED, _S.REVIEW, _S.CONFIRMED}),
    _S.SENDING: frozenset({_S.CONFIRMED, _S.REJECTED, _S.PLANNED, _S.SUBMITTED, _S.UNKNOWN}),
    _S.SUBMITTED: frozenset({_S.CONFIRMED, _S.PLANNED, _S.REJECTED, _S.REVIEW}),
    _S.UNKNOWN: frozenset({_S.CONFIRMED, _S.PLANNED, _S.REJECTED, _S.REVIEW}),
    _S.REVIEW: frozenset({_S.CONFIRMED, _S.PLANNED, _S.REJECTED}),
    _S.CONFIRMED: frozenset(),
    _S.REJECTED: frozenset(),
    _S.CANCELLED: frozenset(),
}
FINAL = frozenset(state for state, targets in MOVES.items() if not targets)
IN_DOUBT = frozenset({_S.SUBMITTED, _S.UNKNOWN})


class Operation(Base):
    """One intended effect. Times are the database's; `amount_minor` is minor units of `currency`."""

    __tablename__ = "operation"
    __table_args__ = (
        UniqueConstraint("requester_id", "kind", "target", "key"),
        CheckConstraint("(amount_minor IS NULL) = (currency IS NULL)", name="amount_has_currency"),
        CheckConstraint("(state = 'sending') = (lease_until IS NOT NULL)", name="lease_while_sending"),
        Index("ix_operation_due", "next_at", postgresql_where=text("state IN ('planned', 'submitted', 'unknown')")),
        Index(
            "ix_operation_lot",
            "requester_id",
            "kind",
            text("coalesce(run_id, requester_id)"),
            "next_at",
            "id",
            postgresql_where=text("state IN ('planned', 'submitted', 'unknown')"),
        ),
        Index("uq_operation_exclusive", "requester_id", "target", unique=True, postgresql_where=text("exclusive")),
        Index("ix_operation_lapsed", "lease_until", postgresql_where=text("state = 'sending'")),
        Index(None, "after_id"),
        Index(None, "run_id", "state"),
        Index(None, "agent_id"),
        Index(None, "unit_id"),
        Index(None, "worker_id"),
    )

    requester_id: Mapped[UUID] = mapped_column(ForeignKey("requester.id"))
    kind: Mapped[str]
    target: Mapped[str]
    key: Mapped[str]
    body: Mapped[dict[str, Any]]
    """What was meant; frozen by a trigger, together with the identity."""
    amount_minor: Mapped[int | None]
    currency: Mapped[str | None]
    run_id: Mapped[UUID | None] = mapped_column(ForeignKey("task_run.id"))
    unit_id: Mapped[UUID | None] = mapped_column(ForeignKey("unit.id"))
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agent.id"))
    worker_id: Mapped[UUID | None] = mapped_column(ForeignKey("worker.id"))
    after_id: Mapped[UUID | None] = mapped_column(ForeignKey("operation.id"))
    """The operation that must be confirmed first."""

    state: Mapped[State] = mapped_column(by_value(State), server_default=State.PLANNED.value)
    attempts: Mapped[int] = mapped_column(server_default="0")
    """Sends that counted; a throttled one does not."""
    attempt_id: Mapped[UUID | None] = mapped_column(ForeignKey("attempt.id"))
    """The last attempt; only its owner may record a negative outcome."""
    exclusive: Mapped[bool] = mapped_column(server_default="false")
    """It has its target to itself: set by its claim, and let go by the database when it is planned again or over."""
    baseline: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """What the vendor showed before the first send; it never changes, and goes where nothing was sent."""
    alone: Mapped[bool] = mapped_column(server_default="false")
    """Its batch was refused, which proves nothing about a member: send it by itself."""
    reads: Mapped[int] = mapped_column(server_default="0")
    """Read-backs since the last send."""
    lease_until: Mapped[datetime | None]
    next_at: Mapped[datetime] = mapped_column(server_default=text("crowdops_now()"))
    nudged_at: Mapped[datetime | None]
    first_sent_at: Mapped[datetime | None]
    last_sent_at: Mapped[datetime | None]
    trying_since: Mapped[datetime | None]
    """The first of the sends that followed each other without a long rest; pauses grow with the time since then."""
    settled_at: Mapped[datetime | None]
    hold: Mapped[str | None]
    """What has to happen outside before it is due, in words; reconciliation sees it and lets go."""
    reason: Mapped[str | None]
    """Why it is where it is, in words."""
    note: Mapped[str | None]
    """What a person decided, and why."""
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB)

    requester: Mapped[Requester] = relationship()


def is_spent() -> ColumnElement[bool]:
    """It was sent as often as it may be."""
    return Operation.attempts >= bindparam(None, callable_=lambda: settings().timing.max_attempts, type_=Integer)


def is_among_ids() -> ColumnElement[bool]:
    """Its id is among the parameter `ids` of a statement, which so stays the same however many they are."""
    return Operation.id == any_(bindparam("ids", type_=ARRAY(Uuid)))
