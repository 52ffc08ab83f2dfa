"""Brings back what dead workers held and lets go of what can no longer happen; rows in, rows out, no vendor."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from models.attempt import Attempt, AttemptOutcome
from models.clock import now
from models.operation import IN_DOUBT, Operation, State
from models.recruit import OFFERS, WITHDRAWN
from models.session import UNSEEN, transaction
from models.settings import settings
from models.task_run import TaskRun

_BEFORE = aliased(Operation)
FORGOTTEN = 4
"""Times the age limit after which what could not be read (a paused account), or was only put off, goes to a person."""


def sweep() -> None:
    """Close lost requests, free lapsed operations for reading, and settle what is over without a send.

    A row that somebody has locked is left for the next time, so that one stalled process holds up nobody else.
    """
    timing = settings().timing
    with transaction() as session:
        _close_lost(session, timing.lease)
        lapsed = select(Operation.id).where(Operation.state == State.SENDING, Operation.lease_until < now())
        told = "its worker died or stalled, so whether it was sent is not known"
        _to(session, lapsed, State.UNKNOWN, told, next_at=now(), nudged_at=None)
        planned = select(Operation.id).where(Operation.state == State.PLANNED)
        spent = planned.where(Operation.attempts >= timing.max_attempts)
        _to(session, spent, State.REVIEW, func.concat("attempts used up; the last one said: ", Operation.reason))
        limit = timedelta(seconds=FORGOTTEN * timing.age_limit)
        put_off = planned.where(Operation.last_sent_at - Operation.trying_since > limit)
        _to(session, put_off, State.REVIEW, func.concat("put off for too long; the last try said: ", Operation.reason))
        long_ago = now() - limit
        unread = select(Operation.id).where(Operation.state.in_(IN_DOUBT), Operation.last_sent_at < long_ago)
        _to(session, unread, State.REVIEW, func.concat("in doubt for too long: ", Operation.reason))
        _withdraw(session, planned, timing.settle)
        behind = planned.join(_BEFORE, _BEFORE.id == Operation.after_id)
        for fallen in (State.REJECTED, State.CANCELLED):
            why = select(_BEFORE.reason).where(_BEFORE.id == Operation.after_id).scalar_subquery()
            told_of = func.concat(f"the {fallen} operation before it: ", why)
            _to(session, behind.where(_BEFORE.state == fallen), fallen, told_of, settled_at=now())


def _withdraw(session: Session, planned: Select[UUID], settle: float) -> None:
    """What an expired run would still have offered is let go of once no earlier request for it can take effect."""
    expired = exists().where(TaskRun.id == Operation.run_id, TaskRun.is_expired)
    settled = or_(Operation.last_sent_at.is_(None), Operation.last_sent_at < now() - timedelta(seconds=settle))
    over = planned.where(Operation.kind.in_(OFFERS), expired, settled)
    _to(session, over, State.CANCELLED, WITHDRAWN, settled_at=now())


def _close_lost(session: Session, lease: float) -> None:
    lost = select(Attempt.id).where(Attempt.closed_at.is_(None), Attempt.created_at < now() - timedelta(seconds=lease))
    locked = lost.with_for_update(skip_locked=True, key_share=True)
    ended = {"closed_at": now(), "outcome": AttemptOutcome.LOST, "detail": "its worker died or stalled"}
    session.execute(update(Attempt).where(Attempt.id.in_(locked)).values(ended), execution_options=UNSEEN)


def _to(session: Session, ids: Select[UUID], state: State, reason: Any, **values: Any) -> None:  # noqa: ANN401 - SQL
    changes = {"state": state, "reason": reason, "lease_until": None} | values
    locked = ids.order_by(Operation.id).with_for_update(of=Operation, skip_locked=True, key_share=True)
    session.execute(update(Operation).where(Operation.id.in_(locked)).values(changes), execution_options=UNSEEN)
