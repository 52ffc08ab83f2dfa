"""Brings back what dead workers held and lets go of what can no longer happen; rows in, rows out, no vendor."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Update, func, update
from sqlalchemy.orm import Session, aliased

from models.attempt import Attempt, AttemptOutcome
from models.clock import now
from models.operation import Operation, State
from models.session import transaction
from models.settings import settings


def sweep() -> None:
    """Close lost requests, free lapsed operations for reading, and settle what is over without a send."""
    timing = settings().timing
    with transaction() as session:
        lost = update(Attempt).where(
            Attempt.closed_at.is_(None), Attempt.created_at < now() - timedelta(seconds=timing.lease)
        )
        session.execute(lost.values(closed_at=now(), outcome=AttemptOutcome.LOST, detail="its worker died or stalled"))
        lapsed = update(Operation).where(Operation.state == State.SENDING, Operation.lease_until < now())
        told = "its worker died or stalled, so whether it was sent is not known"
        _to(session, lapsed, State.UNKNOWN, told, next_at=now(), nudged_at=None)
        spent = update(Operation).where(Operation.state == State.PLANNED, Operation.attempts >= timing.max_attempts)
        _to(session, spent, State.REVIEW, func.concat("attempts used up; the last one said: ", Operation.reason))
        for fallen in (State.REJECTED, State.CANCELLED):
            _follow(session, fallen)


def _follow(session: Session, fallen: State) -> None:
    """What waits for an operation that will never be confirmed shares its end."""
    before = aliased(Operation)
    behind = update(Operation).where(
        Operation.state == State.PLANNED, Operation.after_id == before.id, before.state == fallen
    )
    told = func.concat(f"the {fallen} operation before it: ", before.reason)
    _to(session, behind, fallen, told, settled_at=now())


def _to(session: Session, rows: Update, state: State, reason: Any, **values: Any) -> None:  # noqa: ANN401 - SQL
    changes = {"state": state, "reason": reason, "lease_until": None} | values
    session.execute(rows.values(changes), execution_options={"synchronize_session": False})
