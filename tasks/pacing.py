"""The pace of an account, shared by the fleet: one token bucket and one breaker, both in the account's row.

Requests are granted before a claim; what vendors answer makes the rate smaller or larger, or pauses the account.
"""

from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, aliased

from models.attempt import AttemptOutcome
from models.clock import after, now
from models.requester import Requester
from models.session import transaction
from models.settings import settings

SLOWER, FASTER = 0.85, 0.02
"""A throttled request multiplies the rate; one that did well adds to it, so the rate hovers below the limit."""
SLOWEST, FASTEST = 0.2, 500.0
STORM = 25
"""Failed requests in a row after which the account rests."""

_ROW = aliased(Requester)
_FAILED = (AttemptOutcome.UNKNOWN, AttemptOutcome.NOT_SENT)
_WELL = (AttemptOutcome.DONE, AttemptOutcome.ACCEPTED)


def is_open(account: ColumnElement[UUID] | InstrumentedAttribute[UUID]) -> ColumnElement[bool]:
    """The account of a row may be used: it is not paused, or its pause is over."""
    rested = and_(_ROW.paused_until.isnot(None), _ROW.paused_until <= now())
    return exists().where(_ROW.id == account, or_(_ROW.paused_reason.is_(None), rested))


def _level() -> ColumnElement[float]:
    """Tokens in the bucket now; it holds one second's worth, and never less than one.

    A clock that is set back takes none away.
    """
    gained = Requester.rate * func.greatest(0, func.extract("epoch", now() - Requester.tokens_at))
    return func.least(func.greatest(Requester.rate, 1.0), Requester.tokens + gained)


def take(account: UUID, wanted: int) -> tuple[int, float]:
    """Ask for up to `wanted` requests; returns how many are granted, and the seconds until there is one more."""
    with transaction() as session:
        granted = func.floor(func.least(_level(), float(wanted)))
        row = session.execute(
            select(granted, _level(), Requester.rate).where(Requester.id == account).with_for_update(key_share=True)
        ).one()
        count, level, rate = int(row[0]), float(row[1]), float(row[2])
        if count:
            spent = update(Requester).where(Requester.id == account)
            session.execute(spent.values(tokens=level - count, tokens_at=now()))
    return count, max(0.0, (1 - (level - count)) / rate)


def learn(account: UUID, outcome: AttemptOutcome, detail: str | None) -> None:
    """Let one request's outcome move the rate and the breaker."""
    if outcome is AttemptOutcome.ACCOUNT:
        return pause(account, detail or "the vendor refused the credential", None)
    values: dict[str, object] = {"failures": Requester.failures + 1 if outcome in _FAILED else 0}
    if outcome is AttemptOutcome.THROTTLED:
        values |= {"rate": func.greatest(SLOWEST, Requester.rate * SLOWER), "tokens": 0, "tokens_at": now()}
    elif outcome in _WELL:
        values["rate"] = func.least(FASTEST, Requester.rate + FASTER)
    with transaction() as session:
        changed = update(Requester).where(Requester.id == account).values(values).returning(Requester.failures)
        failures = session.scalars(changed).one()
    if failures >= STORM:
        pause(account, f"{failures} requests in a row failed, the last with: {detail}", settings().timing.breaker_pause)
    return None


def pause(account: UUID, reason: str, seconds: float | None) -> None:
    """Stop every claim of the account, for some seconds or until a person resumes it."""
    until = after(seconds) if seconds is not None else None
    with transaction() as session:
        row = update(Requester).where(Requester.id == account)
        # A pause that waits for a person is not shortened by a passing storm.
        lasting = and_(Requester.paused_reason.isnot(None), Requester.paused_until.is_(None))
        if seconds is not None:
            row = row.where(~lasting)
        session.execute(row.values(paused_reason=reason, paused_until=until, failures=0))


def resume(account: UUID) -> None:
    """Let the account work again."""
    with transaction() as session:
        row = update(Requester).where(Requester.id == account)
        session.execute(row.values(paused_reason=None, paused_until=None, failures=0))
