"""Operation rows as others need to see them: frozen requests for the vendor layer, histories for the verdict."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models.agent import Agent
from models.attempt import Attempt, AttemptOutcome
from models.clock import now
from models.group import Group
from models.operation import Operation
from models.task_run import TaskRun
from models.worker import Worker
from providers.contract import Request
from tasks.verdict import History

GROUPS = ("group", "let_in", "keep_out")
"""Parts of a body that name groups by their ids here."""


def to_requests(session: Session, rows: Sequence[Operation]) -> list[Request]:
    """Rows as the vendor layer sees them: the frozen intent, and the vendor ids learnt since."""
    people = _people(session, rows)
    runs = _facts(session, TaskRun, {row.run_id for row in rows})
    agents = _facts(session, Agent, {row.agent_id for row in rows})
    sandboxes: dict[UUID | None, bool] = dict(
        session.execute(select(TaskRun.id, TaskRun.sandbox).where(TaskRun.id.in_(runs))).all()
    )
    return [
        Request(
            id=row.id,
            kind=row.kind,
            target=row.target,
            body=row.body,
            facts={
                **row.requester.facts,
                **runs.get(row.run_id, {}),
                **agents.get(row.agent_id, {}),
                **people.get(row.id, {}),
            },
            amount_minor=row.amount_minor,
            currency=row.currency,
            sandbox=sandboxes.get(row.run_id),
            baseline=row.baseline,
        )
        for row in rows
    ]


def _people(session: Session, rows: Sequence[Operation]) -> dict[UUID, dict[str, Any]]:
    """Of operations about workers and groups: the vendor's names of both."""
    about = [row for row in rows if row.worker_id is not None or any(map(row.body.get, GROUPS))]
    if not about:
        return {}
    accounts = {row.requester_id for row in about}
    made = select(Group.id, Group.vendor_id).where(Group.requester_id.in_(accounts), Group.vendor_id.isnot(None))
    groups = {str(key): vendor_id for key, vendor_id in session.execute(made)}
    named = select(Worker.id, Worker.name).where(Worker.id.in_({row.worker_id for row in about}))
    names: dict[UUID | None, str] = dict(session.execute(named).all())
    return {row.id: {"groups": groups, "worker": names.get(row.worker_id)} for row in about}


def _facts(session: Session, table: type[TaskRun | Agent], ids: set[UUID | None]) -> dict[UUID | None, dict[str, Any]]:
    found: dict[UUID | None, dict[str, Any]] = dict(
        session.execute(select(table.id, table.facts).where(table.id.in_(ids))).all()
    )
    return found


def histories_of(session: Session, rows: Sequence[Operation]) -> dict[UUID, History]:
    """What the verdict on a read must know of each operation's past."""
    past = (
        select(
            Operation.id,
            Attempt.outcome,
            Attempt.detail,
            func.cardinality(Attempt.operation_ids),
            func.extract("epoch", now() - Operation.last_sent_at),
            func.extract("epoch", now() - Operation.first_sent_at),
            func.extract("epoch", now() - Operation.trying_since),
        )
        .join(Attempt, Attempt.id == Operation.attempt_id)
        .where(Operation.id.in_([row.id for row in rows]))
    )
    states = {row.id: (row.state, row.reads) for row in rows}
    return {
        row_id: History(
            state=states[row_id][0],
            refused=ended is AttemptOutcome.REJECTED,
            throttled=ended is AttemptOutcome.THROTTLED,
            said=said,
            batched=size > 1,
            since_send=float(since),
            since_first_send=float(first),
            reads=states[row_id][1],
            tried_for=float(tried),
        )
        for row_id, ended, said, size, since, first, tried in session.execute(past)
    }
