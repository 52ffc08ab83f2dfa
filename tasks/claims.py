"""Takes what is due: operation ids go in, committed claims come out, each with its attempt on record.

A claim is conditional: a row that another worker holds, that is over, or whose lane or target is taken stays as it is.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from itertools import islice
from uuid import UUID, uuid4

from sqlalchemy import (
    Boolean,
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
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql.dml import ReturningUpdate

from models import failpoints
from models.attempt import Attempt
from models.clock import now, span, stopwatch
from models.discrepancy import MONEY, Discrepancy
from models.operation import IN_DOUBT, Operation, State, is_among_ids, is_spent
from models.recruit import OFFERS
from models.session import UNSEEN, transaction
from models.task_run import TaskRun
from providers import account_of, kind_of, lane_of
from providers.contract import Account, Kind, Repeat, Request
from tasks import pacing
from tasks.rows import to_requests

# Made once: an alias of a table costs more than the statement that it is in.
_BEFORE, _OTHER, _HOLDER = aliased(Operation), aliased(Operation), aliased(Operation)


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


@cache
def due() -> ColumnElement[bool]:
    """A planned operation whose time has come: the account is open, and what must come before it is confirmed."""
    return (
        (Operation.state == State.PLANNED)
        & (Operation.next_at <= now())
        & Operation.hold.is_(None)
        & ~is_spent()
        & _is_wanted()
        & ~_is_another_under_way()
        & ~_is_unexplained()
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


def _is_another_under_way() -> ColumnElement[bool]:
    """The target is held by an operation whose effect nobody knows yet: another could add to it or contradict it."""
    same = (_HOLDER.requester_id == Operation.requester_id, _HOLDER.target == Operation.target)
    return exists().where(*same, _HOLDER.exclusive)


def _is_unexplained() -> ColumnElement[bool]:
    """The vendor shows a payment for the same work that nobody has explained: more money must not follow it."""
    about = (
        Discrepancy.subject == Operation.agent_id,
        Discrepancy.finding.in_(MONEY),
        Discrepancy.resolved_at.is_(None),
    )
    return Operation.amount_minor.isnot(None) & exists().where(*about)


def claim(ids: Sequence[UUID], most: int = 1000) -> list[Claim]:
    """Take what is due among `ids`, commit, and return a claim for each request to be made, `most` of them."""
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
    """Group operations into requests: of one account and kind, of one run where the vendor wants it.

    Of several that need the same target to themselves, only the first is among them.
    """
    groups: dict[tuple[Kind, UUID, UUID | None, UUID | None], list[Operation]] = defaultdict(list)
    held: dict[tuple[UUID, str], UUID] = {}
    for row in sorted(rows, key=lambda row: (row.next_at, row.id)):
        kind = kind_of(row.requester.provider_type, row.kind)
        if kind.exclusive and held.setdefault((row.requester_id, row.target), row.id) != row.id:
            continue
        groups[kind, row.requester_id, row.run_id if kind.per_run else None, row.id if row.alone else None].append(row)
    for (kind, *_), members in groups.items():
        account = account_of(members[0].requester)
        for start in range(0, len(members), kind.batch):
            yield account, kind, members[start : start + kind.batch]


def _open_attempt(
    session: Session, started: float, account: Account, kind: Kind, rows: list[Operation]
) -> Claim | None:
    """Put the request on record and mark its operations as being sent; None if the lane or a target is taken."""
    ids = [row.id for row in rows]
    lane = lane_of(account.provider_type, kind, account.id, account.facts)
    opened = insert(Attempt).values(id=uuid4(), requester_id=account.id, kind=kind.name, operation_ids=ids, lane=lane)
    try:
        with session.begin_nested() if kind.exclusive else nullcontext():
            attempt_id = session.scalars(opened.on_conflict_do_nothing().returning(Attempt.id)).one_or_none()
            if attempt_id is None:
                return None
            marks = {"ids": ids, "attempt": attempt_id, "exclusive": kind.exclusive}
            # The lock that `claim` holds on them makes these the very rows.
            sent = session.execute(_mark(), marks, execution_options=UNSEEN).all()
    except IntegrityError:
        return None
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
        "exclusive": bindparam("exclusive", type_=Boolean),
        "reads": 0,
        "lease_until": now() + span(lambda timing: timing.lease),
        "first_sent_at": func.coalesce(Operation.first_sent_at, now()),
        "last_sent_at": now(),
        "trying_since": case((lately, func.coalesce(Operation.trying_since, now())), else_=now()),
    }
    tried, known = (func.extract("epoch", now() - since) for since in (Operation.trying_since, Operation.first_sent_at))
    return update(Operation).where(is_among_ids()).values(sending).returning(Operation.id, tried, known)
