"""Brings back what dead workers held and lets go of what can no longer happen; rows in, rows out, no vendor."""

from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Update, exists, func, or_, select, update
from sqlalchemy.orm import aliased

from models.attempt import Attempt, AttemptOutcome
from models.clock import now, span
from models.operation import IN_DOUBT, Operation, State, is_spent
from models.recruit import OFFERS, WITHDRAWN
from models.session import UNSEEN, transaction
from models.task_run import TaskRun

_BEFORE = aliased(Operation)
FORGOTTEN = 4
"""Times the age limit after which what could not be read (a paused account), or was only put off, goes to a person."""


def sweep() -> None:
    """Close lost requests, free lapsed operations for reading, and settle what is over without a send.

    A row that somebody has locked is left for the next time, so that one stalled process holds up nobody else.
    """
    with transaction() as session:
        for step in _steps():
            session.execute(step, execution_options=UNSEEN)


@cache
def _steps() -> tuple[Update, ...]:
    """The statements of a sweep, made once, because making them takes longer than running them."""
    lapsed = select(Operation.id).where(Operation.state == State.SENDING, Operation.lease_until < now())
    told = "its worker died or stalled, so whether it was sent is not known"
    planned = select(Operation.id).where(Operation.state == State.PLANNED)
    limit = span(lambda timing: FORGOTTEN * timing.age_limit)
    put_off = planned.where(Operation.last_sent_at - Operation.trying_since > limit)
    unread = select(Operation.id).where(Operation.state.in_(IN_DOUBT), Operation.last_sent_at < now() - limit)
    last = Operation.reason
    return (
        _close_lost(),
        _to(lapsed, State.UNKNOWN, told, next_at=now(), nudged_at=None),
        _to(planned.where(is_spent()), State.REVIEW, func.concat("attempts used up; the last one said: ", last)),
        _to(put_off, State.REVIEW, func.concat("put off for too long; the last try said: ", last)),
        _to(unread, State.REVIEW, func.concat("in doubt for too long: ", last)),
        _withdraw(planned),
        *(_fall(planned, fallen) for fallen in (State.REJECTED, State.CANCELLED)),
    )


def _withdraw(planned: Select[UUID]) -> Update:
    """What an expired run would still have offered is let go of once no earlier request for it can take effect."""
    expired = exists().where(TaskRun.id == Operation.run_id, TaskRun.is_expired)
    long_ago = Operation.last_sent_at < now() - span(lambda timing: timing.settle)
    over = planned.where(Operation.kind.in_(OFFERS), expired, or_(Operation.last_sent_at.is_(None), long_ago))
    return _to(over, State.CANCELLED, WITHDRAWN, settled_at=now())


def _fall(planned: Select[UUID], fallen: State) -> Update:
    """What can no longer come after another one ends as that did."""
    behind = planned.join(_BEFORE, _BEFORE.id == Operation.after_id).where(_BEFORE.state == fallen)
    why = select(_BEFORE.reason).where(_BEFORE.id == Operation.after_id).scalar_subquery()
    return _to(behind, fallen, func.concat(f"the {fallen} operation before it: ", why), settled_at=now())


def _close_lost() -> Update:
    long_ago = now() - span(lambda timing: timing.lease)
    lost = select(Attempt.id).where(Attempt.closed_at.is_(None), Attempt.created_at < long_ago)
    locked = lost.with_for_update(skip_locked=True, key_share=True)
    ended = {"closed_at": now(), "outcome": AttemptOutcome.LOST, "detail": "its worker died or stalled"}
    return update(Attempt).where(Attempt.id.in_(locked)).values(ended)


def _to(ids: Select[UUID], state: State, reason: Any, **values: Any) -> Update:  # noqa: ANN401 - SQL
    changes = {"state": state, "reason": reason, "lease_until": None} | values
    locked = ids.order_by(Operation.id).with_for_update(of=Operation, skip_locked=True, key_share=True)
    return update(Operation).where(Operation.id.in_(locked)).values(changes)
