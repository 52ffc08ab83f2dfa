"""A posting is one line of the money ledger. The database writes them itself, with every change of a unit or a bonus.

    reserve   a unit got a place, or is one more than was planned; a bonus was planned
    adjust    the vendor named another fee than was reserved
    settle    work was accepted or a bonus confirmed: it is paid
    release   nobody is paid for it: expired, rejected, withdrawn

For each run and purpose, amounts as fees: reserved + adjusted = settled + released + open, and open is never negative.
"""

from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, by_value


class Entry(StrEnum):
    """What a posting does to the money of its unit or bonus."""

    RESERVE = "reserve"
    SETTLE = "settle"
    RELEASE = "release"
    ADJUST = "adjust"


class Purpose(StrEnum):
    """What the money is for."""

    PAY = "pay"
    BONUS = "bonus"


_SETTLED_PAY = "kind = 'settle' AND purpose = 'pay'"


class Posting(Base):
    """One line, never changed and never deleted: a trigger refuses both. Amounts are minor units of `currency`."""

    __tablename__ = "posting"
    __table_args__ = (
        CheckConstraint(
            "CASE purpose WHEN 'pay' THEN unit_id IS NOT NULL ELSE operation_id IS NOT NULL END", name="has_subject"
        ),
        CheckConstraint("kind = 'adjust' OR (amount_minor >= 0 AND fee_minor >= 0)", name="not_negative"),
        Index("ix_posting_requester_id", "requester_id", "created_at"),
        # Whoever worked is paid once, whatever unit they had; so is a unit of which nobody is known.
        Index("uq_posting_pay_of_agent", "agent_id", unique=True, postgresql_where=text(_SETTLED_PAY)),
        Index(
            "uq_posting_pay_of_nobody",
            "unit_id",
            unique=True,
            postgresql_where=text(f"{_SETTLED_PAY} AND agent_id IS NULL"),
        ),
        Index(
            "uq_posting_bonus_settled",
            "operation_id",
            unique=True,
            postgresql_where=text("kind = 'settle' AND purpose = 'bonus'"),
        ),
        Index(
            "uq_posting_bonus_reserved",
            "operation_id",
            unique=True,
            postgresql_where=text("kind = 'reserve' AND purpose = 'bonus'"),
        ),
    )

    requester_id: Mapped[UUID] = mapped_column(ForeignKey("requester.id"))
    run_id: Mapped[UUID | None] = mapped_column(ForeignKey("task_run.id"), index=True)
    unit_id: Mapped[UUID | None] = mapped_column(ForeignKey("unit.id"), index=True)
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agent.id"), index=True)
    """Who is paid: of pay, in what is settled only."""
    operation_id: Mapped[UUID | None] = mapped_column(ForeignKey("operation.id"), index=True)
    """The bonus, or the approval that settled the pay; None where the approval was only observed."""
    kind: Mapped[Entry] = mapped_column(by_value(Entry))
    purpose: Mapped[Purpose] = mapped_column(by_value(Purpose))
    amount_minor: Mapped[int]
    """What the worker gets."""
    fee_minor: Mapped[int]
    """What the vendor takes on top, VAT included: estimated from its quote until it names it."""
    currency: Mapped[str]
