"""Giving up what is of no more use at a vendor: a run or a qualification goes in, operations come out; no I/O.

A group lives as long as a run that is not over asks for it. Given up, it is used for nothing from then on; the next run
that asks for the same gets another one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from models import group, qualification
from models.eligibility import groups_for, in_order, requirements
from models.grant import KINDS
from models.group import Group
from models.operation import FINAL, Operation
from models.plan import FALLEN, Intent, plan, session_of
from models.requester import Requester
from models.status import IllegalMoveError
from models.task_run import TaskRun

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy.orm import Session

    from models.qualification import Qualification
    from models.requirement import Requirement


class InUseError(IllegalMoveError):
    """It is still needed, so it is not cleaned up; the message says by what, and what to do first."""


def of_run(run: TaskRun) -> list[Operation]:
    """Plan that the groups of a run that is over are deleted, but for those that other runs ask for.

    Again, it shows the operations that are there.

    Raises:
        InUseError: the run is not over, or the members of a group are just being changed.
    """
    session = session_of(run)
    session.refresh(run, ["is_completed"])
    if not run.is_completed:
        raise InUseError(
            f"Run {run.name!r} is not over, so what it has at the vendor is needed. End it with "
            f"`crowdops run expire {run.id}`, decide on all of its work, and clean up once it is completed."
        )
    found = []
    for asked in in_order(run):
        _hold(session, asked)
        made = groups_for(session, run.requester, asked)
        if made and not askers(session, run.requester, asked):
            found += _give_up(session, made[-1], run.id)
    return found


def kept(run: TaskRun) -> dict[str, list[str]]:
    """Groups of a run, by name, that others ask for, with the names of those runs."""
    session = session_of(run)
    found = {}
    for asked in in_order(run):
        made = groups_for(session, run.requester, asked)
        if made and not made[-1].is_given_up:
            found[made[-1].name] = askers(session, run.requester, asked)
    return found


def of_qualification(session: Session, of: Qualification, provider_type: str) -> list[Operation]:
    """Plan that all groups of a qualification at one vendor are deleted. Again, it shows the operations that are there.

    Raises:
        InUseError: a run that is not over asks for it, or the members of a group are just being changed.
        UnknownQualificationError: it was deleted at this very moment.
    """
    qualification.hold(session, of, alone=True)
    assert_unasked(session, of)
    about = Group.requirement.contains({"name": of.name})
    mine = select(Group).join(Requester, Requester.id == Group.requester_id).where(about)
    groups = session.scalars(mine.where(Requester.provider_type == provider_type).order_by(Group.created_at, Group.id))
    return [operation for one in groups.all() for operation in _give_up(session, one)]


def assert_unasked(session: Session, of: Qualification) -> None:
    """Refuse to do without a qualification that a run asks for, whichever account's it is.

    Raises:
        InUseError: with those runs.
    """
    asking = [run.name for run in _open_runs(session, of.name)]
    if asking:
        raise InUseError(
            f"The qualification {of.name!r} is asked for by runs that are not over: {', '.join(asking)}. "
            "End them first, with `crowdops run expire NAME`, and decide on all of their work."
        )


def askers(session: Session, requester: Requester, asked: Requirement) -> list[str]:
    """The account's runs that are not over and ask for the same group."""
    runs = [run for run in _open_runs(session, asked.name) if run.requester_id == requester.id]
    return [run.name for run in runs if str(asked.group) in {str(one.group) for one in requirements(run)}]


def _open_runs(session: Session, name: str) -> Sequence[TaskRun]:
    asking = TaskRun.args.contains({"qualifications": [{"name": name}]})
    wanted = select(TaskRun).where(TaskRun.is_completed.is_(False), asking)
    return session.scalars(wanted.order_by(TaskRun.name, TaskRun.id)).all()


def _hold(session: Session, asked: Requirement) -> None:
    """Grants and launches wait, and then see what was given up. A qualification that is gone has nothing to hold."""
    try:
        qualification.hold(session, qualification.find(session, asked.name), alone=True)
    except qualification.UnknownQualificationError:
        return


def _give_up(session: Session, one: Group, run_id: UUID | None = None) -> list[Operation]:
    """Plan the deletion of a group, unless it never came to be."""
    if not one.is_given_up:
        _refuse_changes_under_way(session, one)
        one.qualification_id = None
        session.flush()
    made = group.making(session, one)
    if made is not None and session.get_one(Operation, made).state in FALLEN:
        return []
    wanted = Intent(
        requester_id=one.requester_id,
        kind="ungroup",
        target=str(one.id),
        body={"group": str(one.id), "name": one.name},
        run_id=run_id,
        after_id=made,
    )
    return plan(session, [wanted])


def _refuse_changes_under_way(session: Session, one: Group) -> None:
    """A change that comes after the deletion would fail."""
    changes = Operation.kind.in_((KINDS.into, KINDS.out)) & Operation.state.notin_(FINAL)
    mine = (Operation.requester_id == one.requester_id, Operation.body.contains({"group": str(one.id)}))
    if session.scalars(select(Operation.id).where(changes, *mine).limit(1)).first() is not None:
        raise InUseError(
            f"Changes of the members of {one.name!r} are on their way, so it is not deleted. See "
            f"`crowdops ops list --kind {KINDS.into}` and `--kind {KINDS.out}`, and try again once they are done."
        )
