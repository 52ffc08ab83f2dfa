"""Granting qualifications: workers and numbers go in, operations on the vendor's groups come out, in one transaction.

The number is ours; a vendor only keeps groups of those who meet what runs ask for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from models import membership, qualification
from models.clock import now
from models.granted_qualification import GrantedQualification
from models.group import Group
from models.membership import Kinds
from models.plan import session_of
from models.qualification import Qualification
from models.requester import Requester
from models.requirement import Comparator, Requirement

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from models.operation import Operation
    from models.worker import Worker

KINDS = Kinds("grant", "revoke")


def grant(worker: Worker, name: str, value: int = 1) -> list[Operation]:
    """Give a worker a number in a qualification, in place of the one before, and plan what follows at the vendor.

    The same number again changes nothing.

    Raises:
        ValueError: that is no name for a qualification, or a number of more than 18 digits.
    """
    session = session_of(worker)
    meant = Requirement(name=name, comparator=Comparator.EQUAL_TO, value=value)
    of = _held(session, qualification.ensure(session, meant.name))
    given = insert(GrantedQualification).values(worker_id=worker.id, qualification_id=of.id, value=value)
    session.execute(
        given.on_conflict_do_update(
            index_elements=["worker_id", "qualification_id"],
            set_={"value": value, "updated_at": now()},
            where=GrantedQualification.value != value,
        )
    )
    return _regroup(session, worker, of, value)


def revoke(worker: Worker, name: str) -> list[Operation]:
    """Take a qualification from a worker, and plan what follows at the vendor; without it, nothing changes.

    Raises:
        UnknownQualificationError: there is no such qualification.
    """
    session = session_of(worker)
    of = _held(session, qualification.find(session, name))
    mine = (GrantedQualification.worker_id == worker.id, GrantedQualification.qualification_id == of.id)
    session.execute(delete(GrantedQualification).where(*mine))
    return _regroup(session, worker, of, None)


def _held(session: Session, of: Qualification) -> Qualification:
    """Whoever makes a group for it at the same moment waits, and then sees this number, or we see the group."""
    return qualification.hold(session, of, alone=False)


def _regroup(session: Session, worker: Worker, of: Qualification, value: int | None) -> list[Operation]:
    groups = select(Group).join(Requester, Requester.id == Group.requester_id).where(Group.qualification_id == of.id)
    found = []
    for group in session.scalars(groups.where(Requester.provider_type == worker.provider_type).order_by(Group.id)):
        wanted = Requirement.model_validate(group.requirement).is_met(value)
        if wanted != membership.standing(session, worker, group, KINDS).wanted:
            kind = KINDS.into if wanted else KINDS.out
            found.append(membership.turn(session, worker, group, KINDS, kind))
    return found


def granted(worker: Worker) -> dict[str, int]:
    """Every number that a worker has, by the name of its qualification."""
    session = session_of(worker)
    mine = select(Qualification.name, GrantedQualification.value).join(GrantedQualification.qualification)
    rows = session.execute(mine.where(GrantedQualification.worker_id == worker.id).order_by(Qualification.name))
    return dict(rows.all())
