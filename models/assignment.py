"""An assignment is one row of a run's data; its units are the copies of it that people work on."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base
from models.status import AssignmentStatus, assignment_status
from models.task_run import TaskRun

if TYPE_CHECKING:
    from models.unit import Unit


@dataclass(frozen=True, slots=True)
class Row:
    """One row of data as it is wanted: its place in the file (from 0), and how many people should do it."""

    index: int
    data: dict[str, Any]
    units: int


class Assignment(Base):
    """One row of the run's data, by its place in the file (from 0)."""

    __tablename__ = "assignment"
    __table_args__ = (UniqueConstraint("task_run_id", "index"),)

    task_run_id: Mapped[UUID] = mapped_column(ForeignKey("task_run.id"))
    index: Mapped[int]
    data: Mapped[dict[str, Any]]

    task_run: Mapped[TaskRun] = relationship()
    units: Mapped[list["Unit"]] = relationship(back_populates="assignment")

    @property
    def status(self) -> AssignmentStatus:
        """What the units amount to; never stored, so it cannot disagree with them."""
        return assignment_status(unit.status for unit in self.units)
