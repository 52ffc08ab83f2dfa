"""Whom a run lets in: a run goes in, groups for the vendor come out; or a worker as well, and yes or no comes out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import select

from models import block, followup, group, qualification
from models.grant import KINDS, granted
from models.granted_qualification import GrantedQualification
from models.membership import enter
from models.plan import session_of
from models.requirement import Requirement

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy.orm import Session

    from models.group import Group
    from models.qualification import Qualification
    from models.requester import Requester
    from models.task_run import TaskRun
    from models.worker import Worker


@dataclass(slots=True)
class Door:
    """Groups of which everybody must be in each that is let in, and in none that is kept out."""

    let_in: list[Group] = field(default_factory=list)
    keep_out: list[Group] = field(default_factory=list)

    def waits_for(self, session: Session) -> UUID | None:
        """The operation that makes the last of the groups that are not there yet."""
        made = [group.making(session, one) for one in (*self.keep_out, *self.let_in)]
        return next((key for key in reversed(made) if key is not None), None)


def requirements(run: TaskRun) -> list[Requirement]:
    """What a run asks of its workers."""
    return [Requirement.model_validate(one) for one in run.args.get("qualifications", ())]


def is_eligible(worker: Worker, run: TaskRun) -> bool:
    """Whether a worker is not blocked, nor about to be, has no part in a run before, and meets all that is asked for.

    By our rows alone.
    """
    blocked = block.state(worker, run.requester)
    if blocked.wanted or blocked.confirmed:
        return False
    if followup.took_part(worker, run):
        return False
    values = granted(worker)
    return all(one.is_met(values.get(one.name)) for one in requirements(run))


def door(run: TaskRun) -> Door:
    """The groups that decide who takes a place in a run; new ones are planned, with everybody who belongs to them.

    Raises:
        UnknownQualificationError: nobody could ever meet what is asked for.
    """
    session = session_of(run)
    made = Door()
    for asked in in_order(run):
        (made.keep_out if asked.keeps_out else made.let_in).append(_group(session, run, asked))
    made.keep_out.append(block.ensure(session, run.requester))
    return made


def in_order(run: TaskRun) -> list[Requirement]:
    """What a run asks, each once, in one order whoever comes: two never wait for each other's qualification."""
    return [asked for _, asked in sorted({str(one): one for one in requirements(run)}.items())]


def groups_for(session: Session, requester: Requester, asked: Requirement) -> list[Group]:
    """The account's groups for a requirement, see `group.generations`."""
    return group.generations(session, requester, _name(requester, asked))


def _name(requester: Requester, asked: Requirement) -> str:
    return group.title(requester, str(asked.group))


def _group(session: Session, run: TaskRun, asked: Requirement) -> Group:
    """The group for a requirement, which every run of the account that has it shares."""
    of = qualification.ensure(session, asked.name) if asked.keeps_out else qualification.find(session, asked.name)
    # Grants wait, and then see the group.
    qualification.hold(session, of, alone=True)
    known = groups_for(session, run.requester, asked)
    if known and not known[-1].is_given_up:
        return known[-1]
    name = group.numbered(_name(run.requester, asked), len(known) + 1)
    made = group.ensure(session, run.requester, name, of.id, asked.group.model_dump(mode="json"))
    enter(session, made, _who_meet(session, run, of, asked.group), KINDS.into)
    return made


def _who_meet(session: Session, run: TaskRun, of: Qualification, asked: Requirement) -> Sequence[UUID]:
    from models.worker import Worker  # noqa: PLC0415 - a worker's verbs need this module

    rows = select(Worker.id, GrantedQualification.value).join(Worker, Worker.id == GrantedQualification.worker_id)
    mine = rows.where(GrantedQualification.qualification_id == of.id, Worker.provider_type == run.provider_type)
    return [key for key, value in session.execute(mine) if asked.is_met(value)]
