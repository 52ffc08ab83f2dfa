"""The only publisher: due rows in, messages out, a bounded window of them, fair between runs, urgent kinds first.

A backlog is rows, not messages; so emptying the broker costs one window, and nothing that matters is in it.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any
from uuid import UUID

from kombu.exceptions import KombuError
from sqlalchemy import Row, and_, func, or_, select, true, tuple_, update

from models.attempt import Attempt
from models.clock import now, span
from models.operation import IN_DOUBT, Operation, State, is_among_ids
from models.requester import Requester
from models.session import transaction
from models.settings import settings
from providers import installed, kind_of, lane_of
from providers.contract import Kind
from tasks import claims, pacing
from tasks.celery import MONEY, app
from tasks.schedule import expiry
from tasks.sweep import sweep

log = logging.getLogger(__name__)
AT_ONCE = 50
"""Operations that one message carries when each needs a request of its own."""
WINDOW = 10
"""Seconds of an account's pace that are out as messages at a time."""
_LOCK = 7_420_119
"""Number of the advisory lock under which one process at a time chooses what to nudge."""
MOST = 5000
"""Rows looked at in one go."""
OPEN = (State.PLANNED, *IN_DOUBT)


@app.task(name="crowdops.dispatch", send_events=False)
def dispatch() -> None:
    """Sweep, then publish a nudge for what is due."""
    sweep()
    publish(take())


def wake() -> None:
    """Ask for a dispatch now instead of at the next beat; without a broker that is only a late nudge."""
    try:
        dispatch.apply_async(retry=False, expires=expiry(settings().timing.nudge_window))
    except KombuError:
        log.warning("The broker does not answer. What was planned is in the database and starts when it is back.")


Message = tuple[str, str, list[UUID]]
"""Queue, name to show, operation ids."""


def take() -> list[Message]:
    """Mark a window of due rows as nudged, committed, and return their messages in the order to publish."""
    with transaction() as session:
        # One dispatcher at a time, so that no row is nudged twice and the windows hold; the other one does the same.
        if not session.scalar(select(func.pg_try_advisory_xact_lock(_LOCK))):
            return []
        busy = set(session.scalars(_busy()))
        out = {(account, kind): many for account, kind, many in session.execute(_out())}
        messages = list(_messages(session.execute(_due()).all(), busy, out))
        ids = [operation_id for _, _, members in messages for operation_id in members]
        # What somebody has locked is left for the next time, so that one stalled process holds up nobody else.
        marked = set(session.scalars(_nudge(), {"ids": ids}))
    left = ((queue, name, [one for one in members if one in marked]) for queue, name, members in messages)
    return [message for message in left if message[2]]


@cache
def _nudge() -> Any:  # noqa: ANN401 - an UPDATE
    free = select(Operation.id).where(is_among_ids()).order_by(Operation.id)
    nudged = update(Operation).where(Operation.id.in_(free.with_for_update(skip_locked=True, key_share=True)))
    return nudged.values(nudged_at=now()).returning(Operation.id)


def _long_ago() -> Any:  # noqa: ANN401 - an SQL expression
    return now() - span(lambda timing: timing.nudge_window)


@cache
def _busy() -> Any:  # noqa: ANN401 - a SELECT
    return select(Attempt.lane).where(Attempt.closed_at.is_(None), Attempt.lane.isnot(None))


@cache
def _out() -> Any:  # noqa: ANN401 - a SELECT
    """How many operations of each account and kind were nudged within the window and are still to be worked on."""
    waiting = and_(Operation.state.in_(OPEN), Operation.next_at <= now())
    lot = (Operation.requester_id, Operation.kind)
    return select(*lot, func.count()).where(waiting, Operation.nudged_at >= _long_ago()).group_by(*lot)


@cache
def _due() -> Any:  # noqa: ANN401 - a SELECT
    """What may be nudged now, one of each run in turn; what no installed provider knows is left alone.

    Each lot (account, kind and run) is looked at no further than its share, so that a long backlog costs no more than
    a short one.
    """
    lots = _lots().cte("lots")
    share = select(func.greatest(1, MOST / func.count())).select_from(lots).scalar_subquery()
    order = (Operation.next_at, Operation.id)
    turn = func.row_number().over(order_by=order).label("turn")
    mine = (Operation.requester_id == lots.c.requester_id, Operation.kind == lots.c.kind, _run() == lots.c.run)
    first = select(Operation.id, Operation.run_id, Operation.state, turn).where(*mine, _may_be_nudged())
    shown = first.order_by(*order).limit(share).lateral("shown")
    asked = (Requester.id.label("account"), Requester.provider_type, Requester.facts, Requester.rate, lots.c.kind)
    joined = lots.join(Requester, Requester.id == lots.c.requester_id).join(shown, true())
    return select(shown, *asked).select_from(joined).order_by(shown.c.turn).limit(MOST)


def _run() -> Any:  # noqa: ANN401 - an SQL expression
    return func.coalesce(Operation.run_id, Operation.requester_id)


def _lots() -> Any:  # noqa: ANN401 - a SELECT
    """Every lot that has something open, of the kinds that are known."""
    known = [(vendor, kind) for vendor, provider in installed().items() for kind in provider.KINDS]
    lot = select(Operation.requester_id, Operation.kind, _run().label("run")).where(Operation.state.in_(OPEN))
    named = lot.join(Requester, Requester.id == Operation.requester_id)
    return named.where(tuple_(Requester.provider_type, Operation.kind).in_(known)).distinct()


def _may_be_nudged() -> Any:  # noqa: ANN401 - an SQL expression
    quiet = or_(Operation.nudged_at.is_(None), Operation.nudged_at < _long_ago())
    in_doubt = and_(Operation.state.in_(IN_DOUBT), Operation.next_at <= now(), pacing.is_open(Operation.requester_id))
    return and_(Operation.state.in_(OPEN), quiet, or_(claims.due(), in_doubt))


def _messages(
    rows: Sequence[Row[Any]], busy: set[str | None], out: Mapping[tuple[UUID, str], int]
) -> Iterator[Message]:
    """Group rows into messages, as many as the window of their account and kind has room for."""
    groups: dict[tuple[Any, ...], list[UUID]] = defaultdict(list)
    window: dict[tuple[UUID, Kind], int] = {}
    for row in rows:
        kind = kind_of(row.provider_type, row.kind)
        room = window.setdefault((row.account, kind), _room(kind, row, busy) - out.get((row.account, row.kind), 0))
        if room <= 0:
            continue
        window[row.account, kind] = room - 1
        planned = row.state is State.PLANNED
        run = row.run_id if planned and kind.per_run else None
        groups[not kind.urgent, row.provider_type, kind, row.account, run, planned].append(row.id)
    for (_, vendor, kind, _, _, planned), ids in sorted(groups.items(), key=lambda group: group[0][0]):
        size = kind.batch if planned and kind.batch > 1 else AT_ONCE
        for start in range(0, len(ids), size):
            yield MONEY if kind.lane else vendor, f"{kind.name}.{vendor}", ids[start : start + size]


def _room(kind: Kind, row: Row[Any], busy: set[str | None]) -> int:
    """How many operations of a kind may be out for an account: one request a free lane, else a window of its pace."""
    if kind.lane:
        return 0 if lane_of(row.provider_type, kind, row.account, row.facts) in busy else kind.batch
    return int(row.rate * WINDOW + 1) * kind.batch


def publish(messages: Sequence[Message]) -> None:
    """Send the messages in one pipeline; what the broker does not take is nudged again after the window."""
    if not messages:
        return
    execute = app.tasks["crowdops.execute"]
    try:
        with app.producer_or_acquire() as producer, producer.batch(len(messages)):
            for queue, name, ids in messages:
                args = ([str(value) for value in ids],)
                execute.apply_async(args, queue=queue, shadow=name, producer=producer, retry=False)
    except KombuError:
        log.warning("The broker does not answer: %d nudges are put off.", len(messages))
