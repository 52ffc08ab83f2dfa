"""What a person decides about an operation: an id and a decision go in, the row moves in the caller's transaction.

Every decision leaves a note with its time and its author, so that the row tells its own story.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from models import group, membership, plan, review
from models.agent import Agent
from models.attempt import Attempt, AttemptOutcome
from models.clock import now
from models.operation import Operation, State
from models.recruit import OFFERS
from models.settings import settings
from models.status import IllegalMoveError, UnitStatus
from models.task_run import TaskRun
from models.unit import Unit
from models.worker import Worker
from providers import kind_of
from tasks import engine
from tasks.verdict import settle

_FALLEN = (State.REJECTED, State.CANCELLED)
_NOTHING_SENT = (AttemptOutcome.NOT_SENT, AttemptOutcome.THROTTLED, AttemptOutcome.ACCOUNT)


class Decision(StrEnum):
    """What a person found out about an operation that is in review."""

    CONFIRMED = "confirmed"  #: The effect is there: they saw it at the vendor.
    RETRY = "retry"  #: The effect is not there and is still wanted.
    REJECTED = "rejected"  #: The effect is not there and is not wanted any more.


def cancel(session: Session, operation_id: UUID, *, who: str, note: str = "withdrawn") -> Operation:
    """Withdraw an operation that no worker has taken yet.

    Raises:
        IllegalMoveError: a worker was faster, or it is over; nothing is changed.
    """
    operation = session.get_one(Operation, operation_id)
    _refuse_a_gap(session, operation)
    _refuse_what_is_on_its_way(session, operation)
    # One conditional statement: whoever changes the row first wins, and the other sees it.
    withdrawn = update(Operation).where(Operation.id == operation_id, Operation.state == State.PLANNED)
    values = {"state": State.CANCELLED, "settled_at": now(), "nudged_at": None, "reason": f"withdrawn by {who}"}
    done = session.execute(withdrawn.values(values).returning(Operation.id)).first()
    operation = _locked(session, operation_id)
    if done is None:
        raise IllegalMoveError(
            f"Operation {operation_id} is {operation.state}, so it cannot be withdrawn: "
            "only what is planned and not taken by a worker can."
        )
    _note(session, operation, who, f"cancel: {note}")
    return operation


def retry(session: Session, operation_id: UUID) -> Operation:
    """Try again: what waits is due now, what was refused or withdrawn becomes a new operation, once.

    Raises:
        IllegalMoveError: it was carried out or is being carried out, a person must decide first, or what it follows
            must be tried again first.
    """
    operation = _locked(session, operation_id)
    if operation.state is State.PLANNED:
        operation.next_at, operation.nudged_at = session.scalars(select(now())).one(), None
        return operation
    if operation.state is State.REVIEW:
        raise IllegalMoveError(
            f"Operation {operation_id} is in review: say what you found with "
            f"`crowdops ops resolve {operation_id} confirmed|retry|rejected --note ...`."
        )
    before = session.get(Operation, operation.after_id) if operation.after_id else None
    if operation.state in _FALLEN and before is not None and before.state in _FALLEN:
        raise IllegalMoveError(
            f"Operation {operation_id} fell with the one before it. Try that again, and this comes along: "
            f"`crowdops ops retry {before.id}`."
        )
    _refuse_what_is_past(session, operation)
    return plan.retry(session, operation)


def resolve(  # noqa: PLR0913 - a decision has four parts
    session: Session,
    operation_id: UUID,
    decision: Decision,
    *,
    who: str,
    note: str,
    result: dict[str, Any] | None = None,
) -> Operation:
    """Settle an operation that is in review, as a person found it at the vendor.

    Args:
        session: The caller's transaction.
        operation_id: The operation.
        decision: What was found.
        who: The person.
        note: Why.
        result: For a confirmed one, what the vendor's answer would have told (a draft's `study_id`).

    Raises:
        IllegalMoveError: it is not in review (any more); nothing is changed.
    """
    operation = _locked(session, operation_id)
    if operation.state is not State.REVIEW:
        raise IllegalMoveError(
            f"Operation {operation_id} is {operation.state}; only one in review is resolved by hand."
        )
    _note(session, operation, who, f"{decision}: {note}")
    if decision is Decision.CONFIRMED:
        session.flush()
        engine.confirm(session, {operation_id: result or {}})
        return operation
    operation.next_at = moment = session.scalars(select(now())).one()
    operation.nudged_at = None
    if decision is Decision.RETRY:
        operation.state, operation.attempts, operation.reads, operation.trying_since = State.PLANNED, 0, 0, None
        operation.baseline = None
        operation.reason = f"sent again, as {who} decided"
    else:
        operation.state, operation.settled_at = State.REJECTED, moment
        operation.reason = f"given up, as {who} decided"
    return operation


def _refuse_a_gap(session: Session, operation: Operation) -> None:
    """Places are absolute: a later launch opens the places of all before it, so only the last can be withdrawn."""
    if operation.kind != "launch":
        return
    # Whoever plans another launch of the run at the same moment waits here, and then sees what became of this one.
    session.execute(select(TaskRun.id).where(TaskRun.id == operation.run_id).with_for_update(key_share=True))
    later = select(Operation.id).where(
        Operation.run_id == operation.run_id,
        Operation.kind == "launch",
        Operation.state.notin_(_FALLEN),
        Operation.body["places"].as_integer() > operation.body["places"],
    )
    place = operation.body["places"]
    if session.scalars(later.limit(1)).first() is not None:
        raise IllegalMoveError(
            f"The launch of place {place} cannot be withdrawn: later places of its run open it too. "
            "Withdraw the last one first."
        )
    if place == 1:
        raise IllegalMoveError(
            "The first place comes with the study itself: withdraw the run's publish operation, "
            "and its launches follow."
        )


def _refuse_what_is_past(session: Session, operation: Operation) -> None:
    """Nothing is offered after a run's end, and what was decided otherwise meanwhile stays so."""
    if operation.kind in OFFERS and operation.run_id is not None:
        run = session.get_one(TaskRun, operation.run_id)
        unit = session.get(Unit, operation.unit_id) if operation.unit_id else None
        if run.is_expired or (unit and unit.status is UnitStatus.EXPIRED):
            raise IllegalMoveError(f"Operation {operation.id} would offer work of run {run.name!r}, which is expired.")
    group.assert_kept(session, operation)
    if operation.agent_id is not None and operation.kind in review.DECISIONS:
        review.assert_undecided(session, session.get_one(Agent, operation.agent_id), operation)
    if operation.worker_id is not None:
        session.get_one(Worker, operation.worker_id, with_for_update={"key_share": True})
        membership.assert_last(session, operation)


def _refuse_what_is_on_its_way(session: Session, operation: Operation) -> None:
    """A request that was not answered may still take effect, so what it asked for cannot be said not to happen."""
    last = session.get(Attempt, operation.attempt_id) if operation.attempt_id else None
    if last is None or last.outcome in _NOTHING_SENT:
        return
    kind, timing = kind_of(operation.requester.provider_type, operation.kind), settings().timing
    settled = Operation.last_sent_at + timedelta(seconds=settle(kind, timing))
    waiting = (Operation.id == operation.id, Operation.state == State.PLANNED, settled > now())
    if moment := session.scalars(select(settled).where(*waiting)).first():
        raise IllegalMoveError(
            f"Operation {operation.id} was sent, and that request may still take effect. Withdraw it after "
            f"{moment:%Y-%m-%d %H:%M:%S} UTC, if it is planned then."
        )


def _locked(session: Session, operation_id: UUID) -> Operation:
    return session.get_one(Operation, operation_id, with_for_update={"key_share": True}, populate_existing=True)


def _note(session: Session, operation: Operation, who: str, text: str) -> None:
    moment = session.scalars(select(now())).one()
    line = f"{moment:%Y-%m-%d %H:%M:%S%z} {who}: {text}"
    operation.note = f"{operation.note}\n{line}" if operation.note else line
