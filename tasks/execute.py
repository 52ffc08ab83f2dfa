"""The one task that calls vendors: operation ids come in, and everything else is read from the database.

A lost, doubled, early or forged message can do no more than the dispatcher would do anyway.
"""

import contextvars
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any, NoReturn
from uuid import UUID

from celery import Task
from sqlalchemy import Interval, Select, Update, bindparam, exists, func, select, update

from models.clock import now
from models.operation import IN_DOUBT, Operation, State, is_among_ids
from models.session import UNSEEN, transaction
from models.settings import settings
from tasks import claims, dispatch, engine, pacing
from tasks.celery import app
from tasks.resolve import resolve

log = logging.getLogger(__name__)
LONGEST_COUNTDOWN = 60
"""Seconds that a message may wait inside a worker; longer pauses are the dispatcher's."""
_OPEN = (State.PLANNED, *IN_DOUBT)


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
    until = time.monotonic() + settings().timing.soft_limit - settings().timing.http_deadline
    with transaction() as session:
        found = session.scalars(_named(), {"ids": ids}).all()
        lots = [[row.id for row in lot] for lot in _by_account(found)]
    worked_on = resolve([row.id for row in found if row.state in IN_DOUBT])
    put_off = Waiting()
    for lot in lots:
        sent, wait = _send(lot, until)
        worked_on += sent
        if wait is not None:
            put_off.ids += [value for value in lot if value not in sent]
            put_off.seconds = max(put_off.seconds, wait)
    return _still_waiting(worked_on, put_off, ids)


@cache
def _named() -> Select[Operation]:
    return select(Operation).where(is_among_ids())


def _by_account(rows: Sequence[Operation]) -> list[list[Operation]]:
    lots: dict[UUID, list[Operation]] = {}
    for row in rows:
        if row.state is State.PLANNED:
            lots.setdefault(row.requester_id, []).append(row)
    return list(lots.values())


def _send(lot: Sequence[UUID], until: float) -> tuple[set[UUID], float | None]:
    """Send the planned operations of one account, as many requests at a time as can start at once.

    Returns what was sent, and in how many seconds the rest may go on: None if it is not this message's any more.
    """
    sent: set[UUID] = set()
    while left := [value for value in lot if value not in sent]:
        if time.monotonic() > until:
            return sent, 0
        with transaction() as session:
            rows = session.scalars(_ready(), {"ids": left}).all()
            # A lane lets one request through at a time, so it needs one token at a time.
            wanted = len({kind.lane or number for number, (_, kind, _) in enumerate(claims.chunks(rows))})
            account = next((row.requester_id for row in rows), None)
        if account is None:
            return sent, None
        granted, wait = pacing.take(account, min(wanted, settings().concurrency))
        if not granted:
            return sent, wait
        held = claims.claim(left, granted)
        if not held:
            return sent, None
        _concurrently(held)
        sent |= {request.id for claim in held for request in claim.requests}
    return sent, None


@cache
def _ready() -> Select[Operation]:
    return select(Operation).where(is_among_ids(), claims.due())


def _concurrently(held: Sequence[claims.Claim]) -> None:
    """Make the requests of all claims side by side; each is recorded as its answer comes."""
    with ThreadPoolExecutor(max_workers=len(held)) as pool:
        done = [pool.submit(contextvars.copy_context().run, engine.carry_out, claim) for claim in held]
    for future in done:
        future.result()


def _still_waiting(worked_on: Sequence[UUID], put_off: Waiting, ids: Sequence[UUID]) -> Waiting:
    """Hold the dispatcher off what comes back by itself, give it the rest, and wake it for what may go next."""
    with transaction() as session:
        rows = session.execute(_open(), {"ids": [*worked_on, *put_off.ids]}).all()
        back = [row[0] for row in rows]
        wait = {"ids": back, "wait": timedelta(seconds=put_off.seconds)}
        session.execute(_hold_off(), wait, execution_options=UNSEEN)
        given = {"ids": [value for value in ids if value not in back]}
        session.execute(_give_back(), given, execution_options=UNSEEN)
        more = session.scalar(_more())
    if more:
        dispatch.wake()
    return Waiting(back, max([put_off.seconds, *(float(row[1]) for row in rows)], default=0.0))


@cache
def _open() -> Select[UUID, Any]:
    """What is not over, and in how many seconds it is due."""
    wait = func.greatest(0, func.extract("epoch", Operation.next_at - now()))
    return select(Operation.id, wait).where(is_among_ids(), Operation.state.in_(_OPEN)).order_by(Operation.id)


@cache
def _hold_off() -> Update:
    """What comes back by itself counts as nudged until then."""
    mine = select(Operation.id).where(is_among_ids(), Operation.state.in_(_OPEN))
    return _nudged(mine, func.greatest(Operation.next_at, now() + bindparam("wait", type_=Interval)))


@cache
def _give_back() -> Update:
    mine = (is_among_ids(), Operation.state == State.PLANNED, Operation.next_at <= now())
    return _nudged(select(Operation.id).where(*mine), None)


def _nudged(ids: Select[UUID], at: Any) -> Update:  # noqa: ANN401 - an SQL expression
    """Rows that another worker has just now are left to it."""
    locked = ids.order_by(Operation.id).with_for_update(skip_locked=True, key_share=True)
    return update(Operation).where(Operation.id.in_(locked)).values(nudged_at=at)


@cache
def _more() -> Select[bool]:
    return select(exists().where(claims.due(), Operation.nudged_at.is_(None)))
