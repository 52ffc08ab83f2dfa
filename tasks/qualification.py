"""Deleting a qualification: its name goes in; deletions of its groups at vendors are planned, the rest is gone."""

from dataclasses import dataclass

from sqlalchemy import delete as delete_rows
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models import cleanup, qualification
from models.granted_qualification import GrantedQualification
from models.group import Group
from models.operation import Operation
from models.qualification import Qualification
from models.requester import Requester
from providers import installed, provider_class


@dataclass(frozen=True, slots=True)
class Deleted:
    """What became of a qualification: how many workers' numbers were forgotten, and what is planned at vendors."""

    workers: int
    operations: list[Operation]


def delete(session: Session, name: str) -> Deleted:
    """Forget a qualification with everybody's number in it, and plan the deletion of its groups.

    Raises:
        UnknownQualificationError: there is none of that name.
        InUseError: a run that is not over asks for it, or a group of it is just being changed.
        UnknownProviderError: it has groups at a vendor whose provider is not installed.
    """
    of = qualification.hold(session, qualification.find(session, name), alone=True)
    cleanup.assert_unasked(session, of)
    vendors = [provider_class(vendor) for vendor in sorted({*installed(), *_vendors(session, of)})]
    operations = [operation for vendor in vendors for operation in vendor.cleanup_qualification(session, of)]
    held = select(func.count()).where(GrantedQualification.qualification_id == of.id)
    workers = session.scalars(held).one()
    session.execute(delete_rows(GrantedQualification).where(GrantedQualification.qualification_id == of.id))
    session.execute(delete_rows(Qualification).where(Qualification.id == of.id))
    return Deleted(workers, operations)


def _vendors(session: Session, of: Qualification) -> set[str]:
    """Where it has groups that live."""
    groups = select(Requester.provider_type).join(Group, Group.requester_id == Requester.id)
    return set(session.scalars(groups.where(Group.qualification_id == of.id)))
