"""Runs that take up what others left: a run goes in; the runs before and after it, and what all of them lack, come out.

A run that follows another one says so in its arguments, and its assignments keep their places in the file.
"""

from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import func, select

from models.assignment import Assignment, Row
from models.plan import session_of
from models.status import IllegalMoveError, UnitStatus
from models.task_run import TaskRun
from models.unit import SURPLUS, Unit

if TYPE_CHECKING:
    from models.worker import Worker

FOLLOWS = "follows"
"""The argument of a run that names, by its id, the run that it follows."""
_DONE = (UnitStatus.ASSIGNED, UnitStatus.COMPLETED, UnitStatus.ACCEPTED)
"""Accepted, or not decided on yet: whoever is at work may still finish."""


def before(run: TaskRun) -> list[TaskRun]:
    """The run that this one follows, and the one that that one follows, up to the first."""
    found: list[TaskRun] = []
    while key := (found[-1] if found else run).args.get(FOLLOWS):
        found.append(session_of(run).get_one(TaskRun, UUID(key)))
    return found


def after(run: TaskRun) -> TaskRun | None:
    """The run that follows this one."""
    mine = (TaskRun.requester_id == run.requester_id, TaskRun.args.contains({FOLLOWS: str(run.id)}))
    return session_of(run).scalars(select(TaskRun).where(*mine)).one_or_none()


def took_part(worker: "Worker", run: TaskRun) -> bool:
    """Whether somebody worked on a run before this one, and so has no place in it."""
    from models.agent import Agent  # noqa: PLC0415 - it needs a worker's verbs, and these need this module

    runs = Agent.task_run_id.in_([one.id for one in before(run)])
    work = select(Agent.id).where(Agent.worker_id == worker.id, runs).limit(1)
    return session_of(run).scalars(work).first() is not None


def assert_over(run: TaskRun) -> None:
    """Refuse to take up what a run left, or one before it, to which somebody may still come.

    Raises:
        IllegalMoveError: with what has to be done first.
    """
    for one in (run, *before(run)):
        if one.is_stopped or one.is_completed:
            continue
        if one.is_expired:
            raise IllegalMoveError(
                f"Run {one.name!r} is expired, but its study was not seen to be stopped yet. Try again once it was: "
                f"see `crowdops ops list --run {one.id} --kind stop`."
            )
        raise IllegalMoveError(
            f"Run {one.name!r} still recruits, so what it will lack is not known. End that first: "
            f"`crowdops run expire {one.id}`."
        )


def lacking(run: TaskRun) -> list[Row]:
    """What was planned, and has neither accepted nor undecided work in this run or one before it."""
    chain = [run, *before(run)]
    first = chain[-1].id
    planned = func.count().filter(Unit.task_run_id == first, Unit.index > SURPLUS)
    # Whoever worked without a planned unit did the work all the same.
    done = func.count().filter(Unit.status.in_(_DONE))
    of_chain = Assignment.task_run_id.in_([one.id for one in chain])
    counted = select(Assignment.index, (planned - done).label("units")).join(Unit).where(of_chain)
    rest = counted.group_by(Assignment.index).having(planned > done).subquery()
    rows = select(Assignment.index, Assignment.data, rest.c.units).join(rest, rest.c.index == Assignment.index)
    found = session_of(run).execute(rows.where(Assignment.task_run_id == first).order_by(Assignment.index))
    return [Row(*row) for row in found]
