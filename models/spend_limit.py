"""A spend limit is the most that an account may commit: in all, for a run, a worker, a day, or at once."""

from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, by_value


class Scope(StrEnum):
    """What a limit is counted over."""

    ACCOUNT = "account"  #: Everything that the account ever committed, fees included.
    RUN = "run"  #: Any one run, fees included; beside the run's own budget.
    WORKER = "worker"  #: What one worker gets from the account.
    DAY = "day"  #: What was reserved since midnight UTC, fees included.
    OPERATION = "operation"  #: A single bonus, or the pay of a single unit.


class SpendLimit(Base):
    """One limit of an account, in minor units of `currency`."""

    __tablename__ = "spend_limit"
    __table_args__ = (
        UniqueConstraint("requester_id", "scope", name="uq_spend_limit_requester_id_scope"),
        CheckConstraint("amount_minor >= 0", name="amount_not_negative"),
    )

    requester_id: Mapped[UUID] = mapped_column(ForeignKey("requester.id"))
    scope: Mapped[Scope] = mapped_column(by_value(Scope))
    amount_minor: Mapped[int]
    currency: Mapped[str]
