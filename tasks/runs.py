"""Makes a run: a checked run file and its rows go in; project, task, run, assignments, units and operations come out.

All of it in the caller's transaction, so a run is there with every intent or not at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from secrets import token_urlsafe
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from models import recruit
from models.assignment import Assignment, Row
from models.identity import assignment_id, identity, run_id
from models.plan import ConflictError
from models.project import Project
from models.requester import Requester
from models.task import Task
from models.task_run import TaskRun
from models.unit import Unit, unit_row
from providers import provider_class

_SAME = (
    *("name", "task_url", "pay_minor", "currency", "budget_minor", "quoted_minor", "quoted_places"),
    *("args", "content_hash", "sandbox", "refill"),
)
"""What a run takes from its spec as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A run that is wanted. Money is minor units of `currency`."""

    name: str
    project: str
    task: str
    task_url: str
    pay_minor: int
    currency: str
    budget_minor: int
    units_per_assignment: int
    args: dict[str, Any]
    content_hash: str
    sandbox: bool
    refill: bool = False
    quoted_minor: int | None = None
    """What the vendor says `quoted_places` cost, fees included; without it, fees are counted as nothing."""
    quoted_places: int | None = None


def create(session: Session, requester: Requester, spec: Spec, rows: Sequence[dict[str, Any]]) -> tuple[TaskRun, bool]:
    """Write the run and plan its set-up and launches; the same run again is returned as it is, with False.

    Raises:
        ConflictError: a run of this name exists with other content.
    """
    return write(
        session, requester, spec, [Row(index, data, spec.units_per_assignment) for index, data in enumerate(rows)]
    )


def write(session: Session, requester: Requester, spec: Spec, rows: Sequence[Row]) -> tuple[TaskRun, bool]:
    """The same, for rows that need not be all of a file, nor wanted equally often.

    Raises:
        ConflictError: a run of this name exists with other content.
    """
    key = run_id(requester.id, spec.name)
    fresh = session.scalars(
        upsert(TaskRun).values(_run_row(session, key, requester, spec)).on_conflict_do_nothing().returning(TaskRun.id)
    ).first()
    run = session.get_one(TaskRun, key)
    if fresh is None:
        if run.content_hash != spec.content_hash:
            raise ConflictError(f"A run named {spec.name!r} exists with other content. Give the new run another name.")
        return run, False
    units = _units(session, run, rows)
    ready = provider_class(requester.provider_type).setup_resources_for_task_run(session, run)
    recruit.launch(run, units, after_id=ready.id)
    return run, True


def _run_row(session: Session, key: UUID, requester: Requester, spec: Spec) -> dict[str, Any]:
    project, task = identity("project", spec.project), identity("task", spec.project, spec.task)
    session.execute(upsert(Project).values(id=project, name=spec.project).on_conflict_do_nothing())
    session.execute(upsert(Task).values(id=task, project_id=project, name=spec.task).on_conflict_do_nothing())
    return {name: getattr(spec, name) for name in _SAME} | {
        "id": key,
        "page_key": token_urlsafe(16),
        "task_id": task,
        "requester_id": requester.id,
        "provider_type": requester.provider_type,
    }


def _units(session: Session, run: TaskRun, rows: Sequence[Row]) -> Sequence[Unit]:
    keys = [assignment_id(run.id, row.index) for row in rows]
    assignments = [
        {"id": key, "task_run_id": run.id, "index": row.index, "data": row.data}
        for key, row in zip(keys, rows, strict=True)
    ]
    session.execute(insert(Assignment), assignments)
    units = [unit_row(run, key, index) for key, row in zip(keys, rows, strict=True) for index in range(row.units)]
    session.execute(insert(Unit), units)
    return session.scalars(
        select(Unit).join(Assignment).where(Unit.task_run_id == run.id).order_by(Assignment.index, Unit.index)
    ).all()
