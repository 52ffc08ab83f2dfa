"""A project groups the tasks of one team."""

from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class Project(Base):
    """A named group of tasks."""

    __tablename__ = "project"

    name: Mapped[str] = mapped_column(unique=True)
