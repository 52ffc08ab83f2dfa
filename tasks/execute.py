"""The one task that calls vendors: operation ids come in, and everything else is read from the database.

A lost, doubled, early or forged message can do no more than the dispatcher would do anyway.
"""

import contextvars
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import ceil
from typing import Any, NoReturn
from uuid import UUID

from celery import Task
from sqlalchemy import exists, func, select, update

from models.clock import now
from models.operation import IN_DOUBT, Operation, State
from models.session import transaction
from models.settings import settings
from providers import kind_of
from tasks import dispatch, engine, pacing
from tasks.celery import app

log = logging.getLogger(__name__)
LONGEST_COUNTDOWN = 60
"""Seconds that a message may wait inside a worker; longer pauses are the dispatcher's."""


@dataclass(slots=True)
class Waiting:
    """Operations of this message that are not over, and the seconds until they are due."""

    ids: list[UUID] = field(default_factory=list)
    seconds: float = 0


@app.task(name="crowdops.execute", bind=True, max_retries=None)
def execute(self: Task, ids: list[str]) -> None:
    """Claim, send and record what is due among these operations; read back what is in doubt."""
    waiting = run([UUID(value) for value in ids])
    if waiting.ids:
        again(self, waiting)


def again(task: Task, waiting: Waiting) -> NoReturn:
    """Come back through Celery's own retry, so that Flower shows the wait and its count."""
    seconds = min(LONGEST_COUNTDOWN, max(0.05, waiting.seconds))
    raise task.retry(args=([str(value) for value in waiting.ids],), countdown=seconds)


def run(ids: Sequence[UUID]) -> Waiting:
    """Do what can be done now for these operations; returns those that this call worked on and that must wait."""
    with transaction() as session:
        found = session.scalars(select(Operation).where(Operation.id.in_(ids))).all()
        kinds = {row.id: kind_of(row.requester.provider_type, row.kind) for row in found}
    engine.resolve([row.id for row in found if row.state in IN_DOUBT])
    planned = [row for row in found if row.state is State.PLANNED]
    refused = Waiting()
    claims: list[engine.Claim] = []
    for account in {row.requester_id for row in planned}:
        mine = [row.id for row in planned if row.requester_id == account]
        batch = min(kinds[value].batch for value in mine)
        granted, wait = pacing.take(account, ceil(len(mine) / batch))
        claims += engine.claim(mine[: granted * batch]) if granted else []
        refused.ids += mine[granted * batch :]
        refused.seconds = max(refused.seconds, wait)
    _concurrently(claims)
    worked_on = [row.id for row in found if row.state in IN_DOUBT] + [r.id for claim in claims for r in claim.requests]
    return _still_waiting(worked_on, refused)


def _concurrently(claims: Sequence[engine.Claim]) -> None:
    """Make the requests of all claims side by side; each is recorded as its answer comes."""
    if not claims:
        return
    with ThreadPoolExecutor(max_workers=min(len(claims), settings().concurrency)) as pool:
        done = [pool.submit(contextvars.copy_context().run, engine.carry_out, claim) for claim in claims]
    for future in done:
        future.result()


def _still_waiting(worked_on: Sequence[UUID], refused: Waiting) -> Waiting:
    """Hold the dispatcher off what comes back by itself, and wake it for what may go next."""
    wait = func.greatest(0, func.extract("epoch", Operation.next_at - now()))
    open_states = (State.PLANNED, *IN_DOUBT)
    with transaction() as session:
        mine = (Operation.id.in_(worked_on), Operation.state.in_(open_states))
        rows: Sequence[Any] = session.execute(select(Operation.id, wait).where(*mine)).all()
        held = update(Operation).where(*mine).values(nudged_at=func.greatest(Operation.next_at, now()))
        session.execute(held, execution_options={"synchronize_session": False})
        behind = select(exists().where(Operation.after_id.in_(worked_on), Operation.state == State.PLANNED))
        more = session.scalar(behind) or False
    if more or worked_on:
        dispatch.wake()
    seconds = max([refused.seconds, *(float(row[1]) for row in rows)], default=0.0)
    return Waiting([*(row[0] for row in rows), *refused.ids], seconds)
