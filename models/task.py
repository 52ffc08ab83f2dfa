"""A task is what is asked of people; each launch of it is a task run."""

from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base
from models.project import Project


class Task(Base):
    """What is asked, by name within a project."""

    __tablename__ = "task"
    __table_args__ = (UniqueConstraint("project_id", "name"),)

    project_id: Mapped[UUID] = mapped_column(ForeignKey("project.id"))
    name: Mapped[str]

    project: Mapped[Project] = relationship()
