"""Reads back what is in doubt: operation ids in, a read at the vendor, and what it proves is put on record."""

from collections import defaultdict
from collections.abc import Sequence
from functools import cache, partial
from uuid import UUID

from sqlalchemy import Select, select

from models import failpoints
from models.clock import after, now
from models.operation import IN_DOUBT, Operation, State, is_among_ids
from models.session import transaction
from models.settings import settings
from providers import account_of, kind_of, provider_for
from providers.contract import Account, Kind, Outcome, Request
from providers.errors import NotSentError, RejectedError, UnknownError
from tasks import engine, pacing, verdict
from tasks.rows import histories_of, to_requests
from tasks.verdict import History, Verdict


def resolve(ids: Sequence[UUID]) -> list[UUID]:
    """Read back those of `ids` whose outcome is in doubt and whose time has come; returns which those were."""
    if not ids:
        return []
    taken = []
    for account, kind, requests, histories, attempts in _in_doubt(ids):
        unread = [r for r in requests if verdict.resend_unread(kind, histories[r.id])]
        decided = {r.id: Verdict(State.PLANNED, 0, "sent again under the same token") for r in unread}
        # What was there before is kept before the first byte leaves.
        unsent = [r for r in requests if kind.snapshot and r.baseline is None]
        decided |= {
            r.id: Verdict(State.PLANNED, 0, "its worker died before anything was sent", burns=False) for r in unsent
        }
        asked = [request for request in requests if request.id not in decided]
        taken += [request.id for request in requests]
        outcomes = engine.answers(partial(_find, account, asked), asked) if asked else []
        failpoints.hit("after_read")
        for request, outcome in zip(asked, outcomes, strict=True):
            decided[request.id] = verdict.after_read(kind, outcome, histories[request.id], settings().timing)
        # A read that took too long may be older than a newer send, of which it says nothing.
        owner = Operation.state.in_(IN_DOUBT) & Operation.attempt_id.in_(attempts)
        with transaction() as session:
            engine.move(session, decided, engine.evidence(asked, outcomes), owner)
        _learn_from_read(account, outcomes)
    return taken


def _find(account: Account, requests: Sequence[Request]) -> Sequence[Outcome]:
    """A read that is refused as a whole says nothing about what it asked for."""
    try:
        return provider_for(account, [request.sandbox for request in requests]).find(requests)
    except RejectedError as error:
        raise UnknownError(str(error)) from None


def _learn_from_read(account: Account, outcomes: Sequence[Outcome]) -> None:
    """Reads take no token, so a good one does not make the pace faster; it is good if it told anything at all."""
    failed = {verdict.label(o) for o in outcomes if isinstance(o, NotSentError | UnknownError)}
    if failed and all(isinstance(o, NotSentError | UnknownError) for o in outcomes):
        pacing.learn(account.id, verdict.summary(failed), engine.words(outcomes))


def _in_doubt(ids: Sequence[UUID]) -> list[tuple[Account, Kind, list[Request], dict[UUID, History], list[UUID | None]]]:
    """Take doubtful operations for reading, so that two workers do not ask the same; grouped by account and kind.

    Each group comes with the attempts that are read back.
    """
    groups: dict[tuple[UUID, str], list[Operation]] = defaultdict(list)
    with transaction() as session:
        rows = session.scalars(_readable(), {"ids": ids}).all()
        histories = histories_of(session, rows)
        for row in rows:
            groups[row.requester_id, row.kind].append(row)
            row.reads += 1
            row.next_at = after(settings().timing.lease)
        return [
            (
                account_of(rows[0].requester),
                kind_of(rows[0].requester.provider_type, kind),
                to_requests(session, rows),
                histories,
                [row.attempt_id for row in rows],
            )
            for (_, kind), rows in groups.items()
        ]


@cache
def _readable() -> Select[Operation]:
    wanted = select(Operation).where(is_among_ids(), Operation.state.in_(IN_DOUBT), Operation.next_at <= now())
    free = wanted.where(pacing.is_open(Operation.requester_id)).order_by(Operation.id)
    return free.with_for_update(skip_locked=True, key_share=True)
