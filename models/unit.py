"""A unit is one piece of work for one person; its verbs plan operations in the caller's transaction."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from models import ledger, recruit
from models.assignment import Assignment
from models.base import Base, by_value, vendor_classes
from models.identity import unit_id
from models.plan import session_of
from models.status import UNIT_MOVES, IllegalMoveError, UnitStatus, check_move
from models.task_run import TaskRun

if TYPE_CHECKING:
    from models.agent import Agent
    from models.operation import Operation


SURPLUS = -3
"""The index of a unit that was not planned: somebody worked all the same. A second one of its assignment is -4."""


class Unit(Base):
    """One piece of work. `pay_minor` is minor units of `currency`; `place` is its number among the run's places."""

    __tablename__ = "unit"
    __table_args__ = (
        UniqueConstraint("assignment_id", "index"),
        # Partial, so that changing these is no change of a key, which would wait for whoever plans operations.
        Index("uq_unit_place", "task_run_id", "place", unique=True, postgresql_where=text("place IS NOT NULL")),
        Index("uq_unit_agent_id", "agent_id", unique=True, postgresql_where=text("agent_id IS NOT NULL")),
        CheckConstraint("pay_minor > 0", name="pay_positive"),
        Index(None, "task_run_id", "status"),
    )
    __mapper_args__ = vendor_classes()

    assignment_id: Mapped[UUID] = mapped_column(ForeignKey("assignment.id"))
    task_run_id: Mapped[UUID] = mapped_column(ForeignKey("task_run.id"))
    provider_type: Mapped[str]
    index: Mapped[int]
    pay_minor: Mapped[int]
    currency: Mapped[str]
    place: Mapped[int | None]
    status: Mapped[UnitStatus] = mapped_column(by_value(UnitStatus), default=UnitStatus.CREATED)
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agent.id", use_alter=True, name="fk_unit_agent_id"))
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=text("'{}'"))

    assignment: Mapped[Assignment] = relationship(back_populates="units")
    task_run: Mapped[TaskRun] = relationship()
    agent: Mapped["Agent | None"] = relationship(foreign_keys=agent_id)

    @validates("status")
    def _legal(self, _name: str, new: UnitStatus) -> UnitStatus:
        return check_move(UNIT_MOVES, self.status, new)

    def launch(self) -> "Operation":
        """Offer this unit to the crowd: plans one more place, as an absolute number."""
        return recruit.launch(self.task_run, [self])[0]

    def expire(self) -> None:
        """Take this unit off the table.

        A vendor offers places and not units, so it goes on offering this one until the run is expired; whoever takes
        it then is one more than there are units, and is paid.

        Raises:
            IllegalMoveError: somebody has it.
        """
        session_of(self).refresh(self, with_for_update={"key_share": True})
        if self.agent_id is not None:
            raise IllegalMoveError(f"Agent {self.agent_id} has unit {self.id}, so it cannot be taken off the table.")
        self.status = UnitStatus.EXPIRED

    def get_pay_amount(self) -> int:
        """What this unit costs, in minor units, fees and relaunches included; 0 if nobody is paid for it."""
        session = session_of(self)
        session.flush()
        return ledger.pay_of(session, self.id)


def is_free() -> ColumnElement[bool]:
    """Somebody can take it: one whose launch is not confirmed yet is evidently out there too, once somebody comes."""
    return Unit.status.in_([UnitStatus.LAUNCHED, UnitStatus.CREATED]) & Unit.place.isnot(None)


def unit_row(run: TaskRun, assignment: UUID, index: int) -> dict[str, Any]:
    """The columns of a new unit of an assignment, for those that write many at once."""
    return {
        "id": unit_id(assignment, index),
        "assignment_id": assignment,
        "task_run_id": run.id,
        "provider_type": run.provider_type,
        "index": index,
        "pay_minor": run.pay_minor,
        "currency": run.currency,
    }
