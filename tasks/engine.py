"""Carries claims out: send, record, and take evidence. The only dangerous code.

No byte goes to a vendor before a committed claim with its attempt on record, no transaction is open meanwhile, and
what came back is decided in `tasks.verdict`. Evidence is accepted from any attempt at any time; a negative outcome
only from the attempt that holds the operation.
"""

import logging
import traceback
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy import ColumnElement, case, null, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from models import effects, failpoints
from models.attempt import Attempt
from models.clock import after, now, stopwatch
from models.discrepancy import Finding, report
from models.operation import FINAL, Operation, State
from models.session import UNSEEN, transaction
from models.settings import settings
from providers import http, provider_for
from providers.contract import Accepted, CrowdProvider, Done, Outcome, Request
from providers.errors import NotSentError, ProviderError, RejectedError, UnknownError, harmless
from tasks import pacing, verdict
from tasks.claims import Claim
from tasks.verdict import StalledError, Verdict

log = logging.getLogger(__name__)


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
    with http.not_after(latest):
        return answers(lambda: _exchange(held), held.requests)


def _exchange(held: Claim) -> Sequence[Outcome]:
    provider = provider_for(held.account, [request.sandbox for request in held.requests])
    if not held.kind.snapshot:
        return provider.send(held.requests)
    ready = _with_snapshots(provider, held)
    whole = [request for request in ready if isinstance(request, Request)]
    came = answers(lambda: provider.send(whole), whole) if whole else ()
    sent = dict(zip((request.id for request in whole), came, strict=True))
    return [sent[one.id] if isinstance(one, Request) else one for one in ready]


def _with_snapshots(provider: CrowdProvider, held: Claim) -> Sequence[Request | ProviderError]:
    """Read and keep what the vendor shows before the first send, for a read-back to compare with.

    Raises:
        NotSentError: nothing can be read, or the claim is lost.
    """
    fresh = [request for request in held.requests if request.baseline is None]
    shown = dict(zip((request.id for request in fresh), _shown(provider, fresh), strict=True))
    taken = {key: one for key, one in shown.items() if not isinstance(one, ProviderError)}
    if not _keep(held, taken):
        raise NotSentError("the claim was lost while the state before was read, so nothing was sent")
    failpoints.hit("after_snapshot")
    return [_with_snapshot(request, shown.get(request.id, request.baseline or {})) for request in held.requests]


def _shown(provider: CrowdProvider, fresh: Sequence[Request]) -> Sequence[Mapping[str, Any] | ProviderError]:
    try:
        return provider.snapshot(fresh) if fresh else ()
    except NotSentError:
        raise
    except ProviderError as error:
        raise _unread(error) from None


def _with_snapshot(request: Request, shown: Mapping[str, Any] | ProviderError) -> Request | ProviderError:
    return _unread(shown) if isinstance(shown, ProviderError) else replace(request, baseline=shown)


def _unread(error: ProviderError) -> ProviderError:
    """What the vendor does not know it will not pay either; every other failure may pass."""
    if isinstance(error, RejectedError):
        return harmless(error)
    return NotSentError(f"what was there before could not be read, so nothing was sent: {error}")


def _keep(held: Claim, taken: Mapping[UUID, Mapping[str, Any]]) -> bool:
    """Write the snapshots down; False if one of the operations is not this claim's any more."""
    mine = (Operation.attempt_id == held.attempt_id, Operation.state == State.SENDING, Operation.baseline.is_(None))
    kept: list[UUID] = []
    with transaction() as session:
        for one, before in sorted(taken.items()):
            written = update(Operation).where(Operation.id == one, *mine).values(baseline=dict(before))
            kept += session.scalars(written.returning(Operation.id)).all()
    return len(kept) == len(taken)


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
        _note(session, held, outcomes, owner)
        move(session, verdicts, evidence(held.requests, outcomes), owner)
    if not isinstance(outcomes[0], StalledError):
        pacing.learn(held.account.id, ended, said)


def _note(session: Session, held: Claim, outcomes: Sequence[Outcome], owner: ColumnElement[bool]) -> None:
    """Keep what the vendor said about what it will do later."""
    for request, outcome in zip(held.requests, outcomes, strict=True):
        if isinstance(outcome, Accepted) and outcome.result:
            said = update(Operation).where(Operation.id == request.id, owner).values(result=dict(outcome.result))
            session.execute(said, execution_options=UNSEEN)


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
    if decided.untouched:
        # Unless something was sent before, it is read anew: much may happen until the next send.
        values["baseline"] = case((Operation.attempts <= 1, null()), else_=Operation.baseline)
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
        row.result, row.settled_at = (row.result or {}) | results[row.id], now()
    session.flush()
    effects.confirmed(session, fresh)
    for row in rows:
        if row.state in (State.REJECTED, State.CANCELLED):
            told = f"the vendor shows the effect of a {row.kind} that is {row.state} here"
            report(session, row.requester_id, Finding.FINAL_CONTRADICTED, row.id, told)
