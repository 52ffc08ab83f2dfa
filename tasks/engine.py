"""Carries operations out: claim, send, record; and reads back what is in doubt. The only dangerous code.

No byte goes to a vendor before a committed claim with its attempt on record, no transaction is open meanwhile, and
what came back is decided in `tasks.verdict`. Evidence is accepted from any attempt at any time; a negative outcome
only from the attempt that holds the operation.
"""

import logging
import traceback
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any
from uuid import UUID, uuid4

from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy import (
    ColumnElement,
    Select,
    Uuid,
    and_,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql.dml import ReturningUpdate

from models import effects
from models.attempt import Attempt
from models.clock import after, now, span, stopwatch
from models.discrepancy import Finding, report
from models.operation import FINAL, IN_DOUBT, Operation, State, is_among_ids, is_spent
from models.recruit import OFFERS
from models.session import UNSEEN, transaction
from models.settings import settings
from models.task_run import TaskRun
from providers import account_of, http, kind_of, provider_for
from providers.contract import Account, Done, Kind, Outcome, Repeat, Request
from providers.errors import ProviderError, UnknownError
from tasks import failpoints, pacing, verdict
from tasks.rows import to_requests
from tasks.verdict import StalledError, Verdict

log = logging.getLogger(__name__)
# Made once: an alias of a table costs more than the statement that it is in.
_BEFORE, _OTHER = aliased(Operation), aliased(Operation)


@dataclass(frozen=True, slots=True)
class Claim:
    """One request to make: operations that this process holds under a lease, and their attempt on record."""

    attempt_id: UUID
    account: Account
    kind: Kind
    requests: tuple[Request, ...]
    tried_for: dict[UUID, float]
    """Seconds since the first of the sends of each operation that followed each other."""
    started: float
    """`stopwatch` before the claim's transaction began."""
    forgotten: bool = False
    """The vendor may have forgotten the token of one that was sent before, so another send would be another effect."""


# --- claim --------------------------------------------------------------------------------------------------------


@cache
def due() -> ColumnElement[bool]:
    """A planned operation whose time has come: the account is open, and what must come before it is confirmed."""
    return (
        (Operation.state == State.PLANNED)
        & (Operation.next_at <= now())
        & Operation.hold.is_(None)
        & ~is_spent()
        & _is_wanted()
        & pacing.is_open(Operation.requester_id)
        & or_(
            Operation.after_id.is_(None),
            exists().where(_BEFORE.id == Operation.after_id, _BEFORE.state == State.CONFIRMED),
        )
    )


def _is_wanted() -> ColumnElement[bool]:
    """An expired run offers no more work; what stops it waits for what was sent and may still be offering some."""
    expired = exists().where(TaskRun.id == Operation.run_id, TaskRun.is_expired)
    on_its_way = or_(
        _OTHER.state.in_((State.SENDING, *IN_DOUBT)),
        and_(_OTHER.state == State.PLANNED, _OTHER.first_sent_at.isnot(None)),
    )
    offering = exists().where(_OTHER.run_id == Operation.run_id, _OTHER.kind.in_(OFFERS), on_its_way)
    return case((Operation.kind.in_(OFFERS), ~expired), (Operation.kind == "stop", ~offering), else_=true())


def claim(ids: Sequence[UUID], most: int = 1000) -> list[Claim]:
    """Take what is due among `ids`, commit, and return a claim for each request to be made, `most` of them.

    A row that another worker holds, that is over, or whose lane is busy is left alone.
    """
    started = stopwatch()
    with transaction() as session:
        rows = session.scalars(_claimable(), {"ids": ids}).all()
        made = (_open_attempt(session, started, *chunk) for chunk in chunks(rows))
        claims = list(islice(filter(None, made), most))
    failpoints.hit("after_claim")
    return claims


@cache
def _claimable() -> Select[Operation]:
    mine = select(Operation).where(is_among_ids(), due()).order_by(Operation.id)
    return mine.with_for_update(of=Operation, skip_locked=True, key_share=True)


def chunks(rows: Iterable[Operation]) -> Iterable[tuple[Account, Kind, list[Operation]]]:
    """Group operations into requests: of one account and kind, of one run where the vendor wants it."""
    groups: dict[tuple[Kind, UUID, UUID | None, UUID | None], list[Operation]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row.next_at, row.id)):
        kind = kind_of(row.requester.provider_type, row.kind)
        groups[kind, row.requester_id, row.run_id if kind.per_run else None, row.id if row.alone else None].append(row)
    for (kind, *_), members in groups.items():
        account = account_of(members[0].requester)
        for start in range(0, len(members), kind.batch):
            yield account, kind, members[start : start + kind.batch]


def _open_attempt(
    session: Session, started: float, account: Account, kind: Kind, rows: list[Operation]
) -> Claim | None:
    """Put the request on record and mark its operations as being sent; None if the lane is taken."""
    ids = [row.id for row in rows]
    lane = f"{account.id}:{kind.lane}" if kind.lane else None
    opened = insert(Attempt).values(id=uuid4(), requester_id=account.id, kind=kind.name, operation_ids=ids, lane=lane)
    attempt_id = session.scalars(opened.on_conflict_do_nothing().returning(Attempt.id)).one_or_none()
    if attempt_id is None:
        return None
    # The lock that `claim` holds on them makes these the very rows.
    sent = session.execute(_mark(), {"ids": ids, "attempt": attempt_id}, execution_options=UNSEEN).all()
    forgotten = kind.repeat is Repeat.KEYED and any(row[2] >= kind.window for row in sent)
    tried_for = {row[0]: float(row[1]) for row in sent}
    return Claim(attempt_id, account, kind, tuple(to_requests(session, rows)), tried_for, started, forgotten)


@cache
def _mark() -> ReturningUpdate[UUID, int, int]:
    """Rows become what is being sent; returns how long each was tried, and known to the vendor, in seconds."""
    lately = Operation.last_sent_at > now() - span(lambda timing: timing.age_limit)
    sending = {
        "state": State.SENDING,
        "attempts": Operation.attempts + 1,
        "attempt_id": bindparam("attempt", type_=Uuid),
        "reads": 0,
        "lease_until": now() + span(lambda timing: timing.lease),
        "first_sent_at": func.coalesce(Operation.first_sent_at, now()),
        "last_sent_at": now(),
        "trying_since": case((lately, func.coalesce(Operation.trying_since, now())), else_=now()),
    }
    tried, known = (func.extract("epoch", now() - since) for since in (Operation.trying_since, Operation.first_sent_at))
    return update(Operation).where(is_among_ids()).values(sending).returning(Operation.id, tried, known)


# --- send and record ----------------------------------------------------------------------------------------------


def carry_out(held: Claim) -> None:
    """Send one claimed request and record what came of it."""
    outcomes = _send(held)
    failpoints.hit("after_response")
    try:
        _record(held, outcomes)
    except DBAPIError as error:
        # An answer is worth a second try: without it the operation waits for its lease, and is read back.
        log.warning("Recording was interrupted (%s) and is repeated.", type(error.orig).__name__)
        _record(held, outcomes)
    failpoints.hit("after_record")


def _send(held: Claim) -> Sequence[Outcome]:
    failpoints.hit("before_send")
    latest = held.started + settings().timing.lease / 3
    if stopwatch() > latest:
        return [StalledError("the worker stalled between claim and send, so nothing was sent")] * len(held.requests)
    if held.forgotten:
        return [UnknownError("its token may be forgotten, so it is read and not sent again")] * len(held.requests)
    worlds = [request.sandbox for request in held.requests]
    with http.not_after(latest):
        return answers(lambda: provider_for(held.account, worlds).send(held.requests), held.requests)


def answers(call: Any, requests: Sequence[Request]) -> Sequence[Outcome]:  # noqa: ANN401 - a thunk
    """One outcome for each request, whatever the provider does: an error of its own means that nothing is known."""
    try:
        outcomes: Sequence[Outcome] = call()
    except ProviderError as error:
        return [error] * len(requests)
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the request may have been sent
        # The text of the error may hold what the vendor or a worker wrote.
        where = "".join(traceback.format_tb(error.__traceback__))
        told = "A provider failed on %d operations of kind %s with %s.\n%s"
        log.error(told, len(requests), requests[0].kind, type(error).__name__, where)  # noqa: TRY400 - see above
        return [UnknownError(f"the provider itself failed: {type(error).__name__}")] * len(requests)
    if len(outcomes) != len(requests):
        return [UnknownError(f"the provider gave {len(outcomes)} outcomes for {len(requests)} requests")] * len(
            requests
        )
    return outcomes


def _record(held: Claim, outcomes: Sequence[Outcome]) -> None:
    """Close the attempt and move its operations, in one transaction."""
    timing, batched = settings().timing, len(held.requests) > 1
    labels = {verdict.label(outcome) for outcome in outcomes}
    ended, said = verdict.summary(labels), words(outcomes)
    with transaction() as session:
        closed = update(Attempt).where(Attempt.id == held.attempt_id)
        session.execute(closed.values(closed_at=now(), outcome=ended, detail=said))
        verdicts = {
            request.id: verdict.after_send(
                held.kind, outcome, batched=batched, tried_for=held.tried_for[request.id], timing=timing
            )
            for request, outcome in zip(held.requests, outcomes, strict=True)
        }
        owner = (Operation.state == State.SENDING) & (Operation.attempt_id == held.attempt_id)
        move(session, verdicts, evidence(held.requests, outcomes), owner)
    if not isinstance(outcomes[0], StalledError):
        pacing.learn(held.account.id, ended, said)


def words(outcomes: Sequence[Outcome]) -> str | None:
    """What the first failure among the outcomes says."""
    return next((str(outcome) for outcome in outcomes if isinstance(outcome, ProviderError)), None)


def evidence(requests: Sequence[Request], outcomes: Sequence[Outcome]) -> dict[UUID, dict[str, Any]]:
    """What came with each effect that is there, by operation."""
    pairs = zip(requests, outcomes, strict=True)
    return {request.id: dict(outcome.result) for request, outcome in pairs if isinstance(outcome, Done)}


def move(
    session: Session, verdicts: dict[UUID, Verdict], results: dict[UUID, dict[str, Any]], owner: ColumnElement[bool]
) -> None:
    """Apply verdicts: evidence to whoever needs it, everything else only where `owner` still holds.

    Rows are locked in one order whoever comes, so that nobody waits for each other in a circle.
    """
    session.execute(
        select(Operation.id).where(Operation.id.in_(verdicts)).order_by(Operation.id).with_for_update(key_share=True)
    )
    alike: dict[Verdict, list[UUID]] = defaultdict(list)
    for operation_id, decided in sorted(verdicts.items()):
        alike[decided].append(operation_id)
    for decided, ids in alike.items():
        if decided.state is State.CONFIRMED:
            confirm(session, {operation_id: results[operation_id] for operation_id in ids})
        else:
            _step(session, decided, ids, owner)


def _step(session: Session, decided: Verdict, ids: list[UUID], owner: ColumnElement[bool]) -> None:
    values = {
        "state": decided.state,
        "reason": decided.reason,
        "lease_until": None,
        "next_at": after(decided.wait),
        "nudged_at": None,
    }
    if decided.alone:
        values["alone"] = True
    if not decided.burns:
        values["attempts"] = Operation.attempts - 1
    if decided.state in FINAL:
        values["settled_at"] = now()
    moved = update(Operation).where(Operation.id.in_(ids), owner).values(values)
    session.execute(moved, execution_options=UNSEEN)


def confirm(session: Session, results: dict[UUID, dict[str, Any]]) -> None:
    """Take evidence that effects are there, from whatever source, and apply what they mean.

    Evidence against an operation that was settled otherwise becomes a discrepancy.
    """
    rows = session.scalars(
        select(Operation).where(Operation.id.in_(results)).order_by(Operation.id).with_for_update(key_share=True)
    ).all()
    fresh = [row for row in rows if row.state not in FINAL]
    for row in fresh:
        row.state, row.lease_until, row.reason = State.CONFIRMED, None, None
        row.result, row.settled_at = results[row.id], now()
    session.flush()
    effects.confirmed(session, fresh)
    for row in rows:
        if row.state in (State.REJECTED, State.CANCELLED):
            told = f"the vendor shows the effect of a {row.kind} that is {row.state} here"
            report(session, row.requester_id, Finding.FINAL_CONTRADICTED, row.id, told)
