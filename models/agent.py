"""An agent is one worker's attempt at a unit, and one submission at the vendor; its verbs plan operations."""

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from models import plan
from models.base import Base, by_value, vendor_classes
from models.requester import Requester
from models.status import AGENT_MOVES, UNIT_OF_AGENT, AgentStatus, UnitStatus, check_move
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
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=text("'{}'"))

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
        return plan.approve(self.task_run, [self])[0]

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
            if (then := UNIT_OF_AGENT[new]) is None:
                self.unit.status, self.unit.agent_id = UnitStatus.LAUNCHED, None
            else:
                self.unit.status = then
        self.status = new
