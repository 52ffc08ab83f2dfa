"""A task run is one launch of a task at one vendor: its pay, its budget, and what the vendor calls it."""

from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models import ledger
from models.base import Base
from models.plan import session_of
from models.posting import Posting
from models.requester import Requester
from models.task import Task


class TaskRun(Base):
    """One launch. `pay_minor` and `budget_minor` are minor units of `currency`."""

    __tablename__ = "task_run"
    __table_args__ = (
        UniqueConstraint("requester_id", "name"),
        UniqueConstraint("page_key"),
        CheckConstraint("pay_minor > 0", name="pay_positive"),
        CheckConstraint("budget_minor >= 0", name="budget_not_negative"),
        CheckConstraint(
            "(quoted_minor IS NULL) = (quoted_places IS NULL) AND quoted_minor >= 0 AND quoted_places > 0",
            name="quote_whole",
        ),
    )

    task_id: Mapped[UUID] = mapped_column(ForeignKey("task.id"))
    requester_id: Mapped[UUID] = mapped_column(ForeignKey("requester.id"))
    provider_type: Mapped[str]
    name: Mapped[str]
    task_url: Mapped[str]
    args: Mapped[dict[str, Any]]
    """The checked run file without its units."""
    content_hash: Mapped[str]
    """Of the run file with its units: the same name with other content is a conflict."""
    pay_minor: Mapped[int]
    currency: Mapped[str]
    budget_minor: Mapped[int]
    """The most that may be committed, fees included."""
    quoted_minor: Mapped[int | None]
    """What the vendor said that `quoted_places` cost, fees included: fees are estimated from it."""
    quoted_places: Mapped[int | None]
    sandbox: Mapped[bool]
    places: Mapped[int] = mapped_column(server_default="0")
    """How many places were asked of the vendor so far; it only grows."""
    page_key: Mapped[str]
    """What the task's page shows to get a worker's data; every worker of the run can see it."""
    refill: Mapped[bool] = mapped_column(server_default="false")
    """Whether a rejected place may be taken by somebody else; if not, rejections wait until nobody is recruited."""
    is_expired: Mapped[bool] = mapped_column(server_default="false")
    """Nobody else is wanted: no unit is launched any more, and one that comes back is expired."""
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=text("'{}'"))
    """What the vendor answered: for Prolific the study's id."""
    seen: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=text("'{}'"))
    """The change detector's vector, stored after what it announced was written."""
    is_completed: Mapped[bool] = mapped_column(server_default="false")

    @property
    def is_stopped(self) -> bool:
        """Whether the vendor recruits nobody any more, seen there."""
        return bool(self.facts.get("stopped"))

    task: Mapped[Task] = relationship()
    requester: Mapped[Requester] = relationship()

    def get_total_spend(self) -> int:
        """What was paid for this run, in minor units, fees and bonuses included."""
        return ledger.spent(session_of(self), Posting.run_id == self.id)

    def get_available_budget(self) -> int:
        """What may still be committed of this run's budget, in minor units; below 0 where more people worked."""
        return self.budget_minor - ledger.committed(session_of(self), Posting.run_id == self.id)
