"""A discrepancy is evidence that contradicts what is on record: kept for a person, never written over it."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, by_value


class Finding(StrEnum):
    """What does not fit."""

    FINAL_CONTRADICTED = "final_contradicted"  #: Evidence against an operation that is final.
    ILLEGAL_STATUS = "illegal_status"  #: The vendor shows a status that ours may not become.
    UNKNOWN_WORD = "unknown_word"  #: The vendor uses a status word that we do not know.
    SURPLUS = "surplus"  #: More people worked than there were units.
    FOREIGN_PAYMENT = "foreign_payment"  #: The vendor shows a bonus that no operation of ours made.
    MISSING_PAYMENT = "missing_payment"  #: A bonus that was paid is not shown by the vendor, a day later.
    OTHER_AMOUNT = "other_amount"  #: The vendor shows a bonus of another amount than ours.
    BALANCE = "balance"  #: The account's balance went down by more than was paid.
    VANISHED = "vanished"  #: The vendor does not know a submission any more that it showed before.


MONEY = (Finding.FOREIGN_PAYMENT, Finding.MISSING_PAYMENT, Finding.OTHER_AMOUNT)
"""Findings about a submission that gets no more money until a person has looked into them."""


class Discrepancy(Base):
    """One finding about one subject, written once however often it is seen."""

    __tablename__ = "discrepancy"
    __table_args__ = (UniqueConstraint("finding", "subject", "detail"),)

    requester_id: Mapped[UUID] = mapped_column(ForeignKey("requester.id"))
    finding: Mapped[Finding] = mapped_column(by_value(Finding))
    subject: Mapped[UUID]
    """The operation, agent or account that it is about."""
    detail: Mapped[str]
    resolved_at: Mapped[datetime | None]
    resolved_by: Mapped[str | None]
    note: Mapped[str | None]
    """What a person found out about it."""


def report(session: Session, requester_id: UUID, finding: Finding, subject: UUID, detail: str) -> None:
    """Put a finding on record; the same one twice is one row."""
    report_each(session, requester_id, finding, [subject], detail)


def report_each(session: Session, requester_id: UUID, finding: Finding, subjects: Sequence[UUID], detail: str) -> None:
    """Put the same finding about each of these on record."""
    same = {"requester_id": requester_id, "finding": finding, "detail": detail}
    if subjects:
        session.execute(insert(Discrepancy).on_conflict_do_nothing(), [same | {"subject": one} for one in subjects])
