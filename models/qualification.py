"""A qualification is something that workers are granted, with a number; runs may ask for it by its name."""

from sqlalchemy import UniqueConstraint, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session

from models.base import Base
from models.identity import identity


class UnknownQualificationError(LookupError):
    """Nobody was ever granted a qualification of that name."""


class Qualification(Base):
    """Known by its name at every vendor."""

    __tablename__ = "qualification"
    __table_args__ = (UniqueConstraint("name"),)

    name: Mapped[str]


def ensure(session: Session, name: str) -> Qualification:
    """The qualification of this name, new or not."""
    key = identity("qualification", name)
    session.execute(insert(Qualification).values(id=key, name=name).on_conflict_do_nothing())
    found = session.get(Qualification, key)
    if found is None:
        raise _deleted(name)
    return found


def hold(session: Session, of: Qualification, *, alone: bool) -> Qualification:
    """Keep a qualification as it is until the end of the transaction; `alone`, nobody else is holding it meanwhile.

    Raises:
        UnknownQualificationError: it was deleted since it was read.
    """
    rows = select(Qualification).where(Qualification.id == of.id)
    locked = rows.with_for_update() if alone else rows.with_for_update(read=True, key_share=True)
    if session.scalars(locked).one_or_none() is None:
        raise _deleted(of.name)
    return of


def _deleted(name: str) -> UnknownQualificationError:
    return UnknownQualificationError(f"The qualification {name!r} was deleted at this very moment. Try again.")


def find(session: Session, name: str) -> Qualification:
    """The qualification of this name.

    Raises:
        UnknownQualificationError: there is none; nobody could meet what asks for it.
    """
    found = session.get(Qualification, identity("qualification", name))
    if found is not None:
        return found
    known = ", ".join(session.scalars(select(Qualification.name).order_by(Qualification.name).limit(20))) or "none"
    raise UnknownQualificationError(
        f"There is no qualification {name!r}. Known: {known}. It is there once somebody was granted it."
    )
