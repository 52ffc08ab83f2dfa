"""A group is a set of an account's workers that the vendor keeps too, such as those it must not let in.

Names go in, rows with the operation that makes them at the vendor come out, in the caller's transaction.
"""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base
from models.identity import group_id
from models.operation import Operation
from models.plan import FALLEN, Intent, plan
from models.status import IllegalMoveError

if TYPE_CHECKING:
    from models.requester import Requester


class Group(Base):
    """One group. `name` is what the vendor shows it under, and finds it by."""

    __tablename__ = "worker_group"
    __table_args__ = (UniqueConstraint("requester_id", "name"), Index(None, "qualification_id"))

    requester_id: Mapped[UUID] = mapped_column(ForeignKey("requester.id"))
    name: Mapped[str]
    vendor_id: Mapped[str | None]
    """What the vendor calls it, once it was made there and until it is deleted."""
    qualification_id: Mapped[UUID | None] = mapped_column(ForeignKey("qualification.id"))
    """Grants change its members as long as this is set."""
    requirement: Mapped[dict[str, Any] | None]
    """What everybody in it meets, if it is about a qualification."""

    @property
    def is_given_up(self) -> bool:
        """Whether it is to be deleted, or was: nothing is done with it any more, and a run that asks gets another."""
        return self.requirement is not None and self.qualification_id is None


def title(requester: "Requester", what: str) -> str:
    """The name of a group, which tells the accounts of one workspace apart."""
    return f"crowdops {requester.name}: {what}"


def find(session: Session, requester: "Requester", name: str) -> Group | None:
    """The account's group of this name."""
    return session.get(Group, group_id(requester.id, name))


def generations(session: Session, requester: "Requester", name: str) -> list[Group]:
    """The groups of this name in the order they were made: all but the last are given up, and that may be too.

    Each has a name of its own, so that one that was deleted is never taken for the next one at the vendor.
    """
    found: list[Group] = []
    while group := find(session, requester, numbered(name, len(found) + 1)):
        found.append(group)
    return found


def numbered(name: str, number: int) -> str:
    """The name of the so manieth group that is made for the same."""
    return name if number == 1 else f"{name} ({number})"


def ensure(
    session: Session,
    requester: "Requester",
    name: str,
    qualification_id: UUID | None = None,
    requirement: dict[str, Any] | None = None,
) -> Group:
    """The account's group of this name; one that is not at the vendor is planned to be made there."""
    known = find(session, requester, name)
    if known is not None and known.vendor_id is not None:
        return known
    key = group_id(requester.id, name)
    about = {"qualification_id": qualification_id, "requirement": requirement}
    row = {"id": key, "requester_id": requester.id, "name": name, **about}
    session.execute(insert(Group).values(row).on_conflict_do_nothing())
    plan(session, [Intent(requester_id=requester.id, kind="group", target=str(key), body={"name": name})])
    return session.get_one(Group, key)


def making(session: Session, group: Group) -> UUID | None:
    """The operation that what needs the group has to wait for; None once the group is there."""
    if group.vendor_id is not None:
        return None
    made = select(Operation).where(Operation.requester_id == group.requester_id, Operation.kind == "group")
    tries = session.scalars(made.where(Operation.target == str(group.id)).order_by(Operation.created_at)).all()
    return next((row.id for row in tries if row.state not in FALLEN), tries[-1].id)


def assert_kept(session: Session, again: Operation) -> None:
    """Refuse to try again to make a group, or to change its members, once it was given up.

    Raises:
        IllegalMoveError: with what to do.
    """
    named = {"group": again.target, "ungroup": None}.get(again.kind, again.body.get("group"))
    group = session.get(Group, UUID(named)) if named else None
    if group is not None and group.is_given_up:
        raise IllegalMoveError(
            f"Operation {again.id} is not tried again: its group {group.name!r} was given up, as no run needed it. "
            "The next run that asks for the same gets a group of its own, with everybody who belongs to it."
        )
