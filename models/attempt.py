"""An attempt is one request to a vendor: on record before its first byte, closed with what came of it."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, by_value


class AttemptOutcome(StrEnum):
    """What came of a request."""

    DONE = "done"
    ACCEPTED = "accepted"  #: The vendor said "later"; only a read proves it.
    NOT_SENT = "not_sent"
    THROTTLED = "throttled"
    ACCOUNT = "account"  #: Bad credential or no funds.
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    MIXED = "mixed"  #: The members of a batch ended differently.
    LOST = "lost"  #: The worker died or stalled past its lease.


class Attempt(Base):
    """One request for one or more operations; `lane` lets one open request at a time through (see `index`)."""

    __tablename__ = "attempt"
    __table_args__ = (
        Index("uq_attempt_open_lane", "lane", unique=True, postgresql_where=text("closed_at IS NULL")),
        Index("ix_attempt_operation_ids", "operation_ids", postgresql_using="gin"),
    )

    requester_id: Mapped[UUID] = mapped_column(ForeignKey("requester.id"))
    kind: Mapped[str]
    operation_ids: Mapped[list[UUID]]
    lane: Mapped[str | None]
    closed_at: Mapped[datetime | None]
    outcome: Mapped[AttemptOutcome | None] = mapped_column(by_value(AttemptOutcome))
    detail: Mapped[str | None]
    """What the vendor or the network said, without secrets and worker ids."""
