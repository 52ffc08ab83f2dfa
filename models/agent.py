"""An agent is one worker's attempt at a unit, and one submission at the vendor; its verbs plan operations."""

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from models import review
from models.base import Base, by_value, vendor_classes
from models.requester import Requester
from models.status import AGENT_MOVES, UNIT_OF_AGENT, AgentStatus, check_move, unit_after
from models.task_run import TaskRun
from models.unit import Unit
from models.worker import Worker

if TYPE_CHECKING:
    from models.operation import Operation


class Agent(Base):
    """One attempt. `submission` is the vendor's id of it, unique within the account."""

    __tablename__ = "agent"
    __table_args__ = (
        UniqueConstraint("requester_id", "submission"),
        Index(None, "task_run_id", "status"),
        # A file may name work by submissions alone, of whatever account.
        Index(None, "submission"),
    )
    __mapper_args__ = vendor_classes()

    requester_id: Mapped[UUID] = mapped_column(ForeignKey("requester.id"))
    task_run_id: Mapped[UUID] = mapped_column(ForeignKey("task_run.id"))
    unit_id: Mapped[UUID | None] = mapped_column(ForeignKey("unit.id"), index=True)
    worker_id: Mapped[UUID] = mapped_column(ForeignKey("worker.id"), index=True)
    provider_type: Mapped[str]
    submission: Mapped[str]
    status: Mapped[AgentStatus] = mapped_column(by_value(AgentStatus), default=AgentStatus.NONE)
    moved_at: Mapped[datetime] = mapped_column(server_default=text("crowdops_now()"))
    """When the status changed last; kept by a trigger."""
    audited_at: Mapped[datetime | None]
    """When the payments that the vendor shows for it were last compared with ours."""
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=text("'{}'"))
    data: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    """What the worker handed in through the task's page."""
    submitted_at: Mapped[datetime | None]

    requester: Mapped[Requester] = relationship()
    task_run: Mapped[TaskRun] = relationship()
    unit: Mapped[Unit | None] = relationship(foreign_keys=unit_id)
    worker: Mapped[Worker] = relationship()

    @validates("status")
    def _legal(self, _name: str, new: AgentStatus) -> AgentStatus:
        return check_move(AGENT_MOVES, self.status, new)

    def approve_work(self) -> "Operation":
        """Accept the work and have the vendor pay it.

        Raises:
            IllegalMoveError: the work is not there, or was decided otherwise.
        """
        return review.approve(self.task_run, [self])[0]

    def soft_reject_work(self) -> "Operation":
        """Have the vendor pay the work, and mark it as not good enough.

        Raises:
            IllegalMoveError: the work is not there, or was decided otherwise.
        """
        return review.soft_reject(self.task_run, [self])[0]

    def reject_work(self, category: str, message: str) -> "Operation":
        """Refuse the work, so that it is not paid; the worker reads the message.

        Raises:
            IllegalMoveError: the work is not there, or was decided otherwise.
            ValueError: the vendor would not take this category or this message.
        """
        return review.reject(self.task_run, [self], category, message)[0]

    @staticmethod
    def assert_rejection(category: str, message: str) -> None:
        """Refuse what the vendor would refuse; a vendor's own class knows its rules.

        Raises:
            ValueError: with what is wrong.
        """

    def mark_done(self) -> None:
        """Note that the work is complete. Nothing is asked of the vendor."""
        self.move(AgentStatus.COMPLETED)

    def move(self, new: AgentStatus) -> None:
        """Change the status, and that of the unit with it.

        Raises:
            IllegalMoveError: for either; neither is changed.
        """
        check_move(AGENT_MOVES, self.status, new)
        if self.unit is not None and self.unit.agent_id == self.id:
            self.unit.status = unit_after(self.unit.status, new, stopped=self.task_run.is_stopped)
            if UNIT_OF_AGENT[new] is None:
                self.unit.agent_id = None
        self.status = new
