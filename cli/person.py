"""The demonstration's person: looks at the vendor for every operation in review, and decides by what is there."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from cli.explain import attempts_of
from models.attempt import AttemptOutcome
from models.operation import Operation, State
from models.session import transaction
from models.status import IllegalMoveError
from models.task_run import TaskRun
from providers import account_of, provider_of
from providers.contract import Absent, Done, Outcome
from providers.errors import ProviderError
from tasks.decide import Decision, resolve
from tasks.rows import to_requests

GOOD = (AttemptOutcome.DONE, AttemptOutcome.ACCEPTED)
"""Requests that ended so put nothing in doubt."""


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision in words, and how the requests before it went wrong: without that, nothing explains the doubt."""

    told: str
    faults: list[str]


def decide(run_id: UUID) -> Iterator[Decided]:
    """Settle what is in review in a run's account; what the vendor does not show this time waits for the next."""
    with transaction() as session:
        account = session.get_one(TaskRun, run_id).requester_id
        waiting = select(Operation.id).where(Operation.requester_id == account, Operation.state == State.REVIEW)
        ids = session.scalars(waiting.order_by(Operation.id)).all()
    for operation_id in ids:
        match _look(operation_id):
            case Done(result):
                decided = _settle(operation_id, Decision.CONFIRMED, dict(result))
            case Absent():
                decided = _settle(operation_id, Decision.RETRY)
            case _:
                decided = None
        if decided is not None:
            yield decided


def _look(operation_id: UUID) -> Outcome:
    """What the vendor shows; a read that fails says nothing."""
    with transaction() as session:
        row = session.get_one(Operation, operation_id)
        requests, account = to_requests(session, [row]), account_of(row.requester)
    try:
        (found,) = provider_of(account).find(requests)
    except ProviderError as error:
        return error
    return found


def _settle(operation_id: UUID, decision: Decision, result: dict[str, Any] | None = None) -> Decided | None:
    """Decide, and say why there was something to decide; None if evidence came home meanwhile and settled it."""
    try:
        with transaction() as session:
            row = session.get_one(Operation, operation_id)
            decided = _told(session, row, decision)
            resolve(session, operation_id, decision, who="demo", note="as the vendor shows it", result=result)
    except IllegalMoveError:
        return None
    return decided


def _told(session: Session, row: Operation, decision: Decision) -> Decided:
    outcomes = [attempt.outcome for attempt in attempts_of(session, row)]
    faults = [str(outcome) for outcome in outcomes if outcome is not None and outcome not in GOOD]
    why = f"its requests before: {', '.join(faults)}" if faults else "no request of it went wrong"
    told = f"{row.kind} {row.id}: {row.reason}; {why}; the operator looked at the vendor and decided: {decision}"
    return Decided(told, faults)
