"""What an account's vendor last said that it has, beside what had been paid by then: the beginning of the next look."""

from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class BalanceReading(Base):
    """One reading an account. Sums are minor units of `currency`; `payments` counts what `paid_minor` is the sum of."""

    __tablename__ = "balance_reading"
    __table_args__ = (UniqueConstraint("requester_id"),)

    requester_id: Mapped[UUID] = mapped_column(ForeignKey("requester.id"))
    total_minor: Mapped[int]
    currency: Mapped[str]
    paid_minor: Mapped[int]
    payments: Mapped[int]
