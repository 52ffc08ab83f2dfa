"""The demonstration's person: looks at the vendor for every operation in review, and decides by what is there.

That a payment is not there is believed only when the vendor has had its time to carry it out.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from cli.console import counted
from cli.explain import OUTCOMES, attempts_of
from models import bonus
from models.attempt import AttemptOutcome
from models.clock import after
from models.operation import Operation, State
from models.session import transaction
from models.settings import settings
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

    kind: str
    operation: UUID
    why: str
    faults: list[AttemptOutcome]

    @property
    def told(self) -> str:
        """The whole."""
        return f"{self.kind} {self.operation}: {self.why}"


def summed(decided: Iterable[Decided]) -> list[str]:
    """A line for those of a kind that were decided alike."""
    alike = Counter((one.kind, one.why) for one in decided)
    return [f"{counted(number, f'{kind} operation')} needed a person: {why}" for (kind, why), number in alike.items()]


def decide(run_id: UUID, settle: float = 0) -> Iterator[Decided]:
    """Settle what is in review in a run's account; what the vendor does not show this time waits for the next.

    A payment is looked for when it was sent `settle` seconds ago, or as long as the settings say if that is longer.
    """
    with transaction() as session:
        account = session.get_one(TaskRun, run_id).requester_id
        ids = session.scalars(_waiting(account, max(settle, settings().timing.pay_settle))).all()
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


def _waiting(account: UUID, settle: float) -> Select[UUID]:
    settled = or_(Operation.kind != bonus.KIND, Operation.last_sent_at < after(-settle))
    waiting = (Operation.requester_id == account, Operation.state == State.REVIEW)
    return select(Operation.id).where(*waiting, settled).order_by(Operation.id)


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
    faults = [outcome for outcome in outcomes if outcome is not None and outcome not in GOOD]
    why = "; ".join(dict.fromkeys(OUTCOMES[fault] for fault in faults)) or "no request of it went wrong"
    told = f"{row.reason}. When it was sent: {why}. The operator looked at the vendor and decided: {decision}"
    return Decided(row.kind, row.id, told, faults)
