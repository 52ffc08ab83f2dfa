"""A tick is one slot of a schedule: the first worker that writes it does the work, so two beats do no harm."""

from datetime import datetime, timedelta

from sqlalchemy import UniqueConstraint, delete, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session

from models.base import Base
from models.clock import now

KEPT = timedelta(days=1)
"""Old slots say nothing, so they are removed."""


class Tick(Base):
    """One slot that somebody took."""

    __tablename__ = "tick"
    __table_args__ = (UniqueConstraint("name", "slot"),)

    name: Mapped[str]
    slot: Mapped[datetime]


def take(session: Session, name: str, every: float) -> bool:
    """Take the current slot of `every` seconds, computed from database time; False if somebody has it."""
    slot = func.to_timestamp(func.floor(func.extract("epoch", now()) / every) * every)
    taken = insert(Tick).values(name=name, slot=slot).on_conflict_do_nothing().returning(Tick.id)
    if session.execute(taken).first() is None:
        return False
    session.execute(delete(Tick).where(Tick.name == name, Tick.slot < now() - KEPT))
    return True
