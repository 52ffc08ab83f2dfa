"""What may still be committed: money that somebody wants to commit goes in; nothing, or a refusal with the figures.

Whoever plans spending waits here for whoever else does, so that two who plan at once cannot both take the rest.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import ARRAY, BigInteger, func, literal, select
from sqlalchemy.dialects.postgresql import insert

from models import ledger
from models.money import shown
from models.posting import Posting
from models.requester import Requester
from models.spend_limit import Scope, SpendLimit
from models.task_run import TaskRun

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from uuid import UUID

    from sqlalchemy.orm import Session

_MEANING = {
    Scope.ACCOUNT: "the account's limit",
    Scope.RUN: "the account's limit for a run",
    Scope.WORKER: "the account's limit for a worker",
    Scope.DAY: "the account's limit for a day (UTC)",
    Scope.OPERATION: "the account's limit for a single payment",
}


class BudgetError(Exception):
    """More would be committed than may be; nothing was planned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """One payment that is wanted, in minor units of its run's currency. A bonus names its worker."""

    amount_minor: int
    fee_minor: int = 0
    worker_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class _Case:
    """One limit with what counts against it."""

    name: str
    limit: int
    committed: int
    asked: int


@dataclass(frozen=True, slots=True)
class Asked:
    """What is wanted of one run, summed up, in minor units of its currency."""

    total_minor: int
    """Fees included."""
    largest_minor: int
    """The largest single payment, without fees."""
    workers: Callable[[], Mapping[UUID, int]]
    """What each worker who is named would get, without fees; asked for only where a limit speaks of workers."""


def assert_within(session: Session, run: TaskRun, wanted: Sequence[Spend]) -> None:
    """Refuse to commit more than the run's budget and the account's limits allow; see `assert_all_within`."""
    if wanted:
        assert_all_within(session, {run: _asked(wanted)})


def _asked(wanted: Sequence[Spend]) -> Asked:
    workers: Counter[UUID] = Counter()
    for spend in wanted:
        if spend.worker_id is not None:
            workers[spend.worker_id] += spend.amount_minor
    total = sum(spend.amount_minor + spend.fee_minor for spend in wanted)
    return Asked(total, max(spend.amount_minor for spend in wanted), lambda: workers)


def assert_all_within(session: Session, wanted: Mapping[TaskRun, Asked]) -> None:
    """Refuse to commit more than the budgets of these runs and the limits of their accounts allow, all taken together.

    To be called in the transaction that plans the payments, before they are written; runs and limits stay locked
    until it ends. What is planned already must not be asked for again: it counts as committed.

    Raises:
        BudgetError: with the limit, what is committed, and what was asked.
    """
    session.flush()
    accounts: dict[UUID, dict[TaskRun, Asked]] = defaultdict(dict)
    for run in sorted(wanted, key=lambda run: run.id):
        locked = select(TaskRun.budget_minor).where(TaskRun.id == run.id).with_for_update(key_share=True)
        budget = session.scalars(locked).one()
        committed = ledger.committed(session, Posting.run_id == run.id)
        _check(run.currency, _Case(f"the budget of run {run.name!r}", budget, committed, wanted[run].total_minor))
        accounts[run.requester_id][run] = wanted[run]
    for account, asked in sorted(accounts.items()):
        for limit in _locked_limits(session, account):
            _assert_currency(limit, asked)
            for case in _cases(session, limit, asked):
                _check(limit.currency, case)


def _assert_currency(limit: SpendLimit, runs: Iterable[TaskRun]) -> None:
    for run in runs:
        if limit.currency != run.currency:
            raise BudgetError(
                f"Run {run.name!r} pays in {run.currency}, but {_MEANING[limit.scope]} is in {limit.currency}. "
                "Nothing was planned: set the limit in the currency that the account pays in."
            )


def fees_of_bonuses(session: Session, run: TaskRun, amounts: Sequence[int]) -> Sequence[int]:
    """What the vendor takes on top of each bonus, estimated from what it quoted for the run; 0 without a quote."""
    rows = func.unnest(literal(list(amounts), ARRAY(BigInteger))).table_valued("amount", with_ordinality="n")
    quote = (run.quoted_minor, run.quoted_places, run.pay_minor)
    sums = rows.render_derived()
    fee = func.fee_of_bonus(*(literal(part, BigInteger) for part in quote), sums.c.amount, type_=BigInteger)
    return session.scalars(select(fee).order_by(sums.c.n)).all()


def fees_of_places(session: Session, run: TaskRun, places: range) -> Sequence[int]:
    """The same for each of the run's places with these numbers, which follow each other."""
    number = func.generate_series(places[0], places[-1], type_=BigInteger).column_valued("place")
    quote = (run.quoted_minor, run.quoted_places, run.pay_minor)
    fee = func.fee_of_place(*(literal(part, BigInteger) for part in quote), number, type_=BigInteger)
    return session.scalars(select(fee).order_by(number)).all()


def _locked_limits(session: Session, account: UUID) -> Sequence[SpendLimit]:
    """The account's limits; they are held, and nobody sets another one meanwhile (see `set_limit`)."""
    session.execute(select(Requester.id).where(Requester.id == account).with_for_update(read=True, key_share=True))
    limits = select(SpendLimit).where(SpendLimit.requester_id == account).order_by(SpendLimit.scope)
    return session.scalars(limits.with_for_update(), execution_options={"populate_existing": True}).all()


def _cases(session: Session, limit: SpendLimit, wanted: Mapping[TaskRun, Asked]) -> Iterator[_Case]:
    name, most, account = _MEANING[limit.scope], limit.amount_minor, limit.requester_id
    asked = sum(one.total_minor for one in wanted.values())
    match limit.scope:
        case Scope.ACCOUNT:
            of_account = (Posting.requester_id == account, Posting.currency == limit.currency)
            yield _Case(name, most, ledger.committed(session, *of_account), asked)
        case Scope.RUN:
            for run, one in wanted.items():
                yield _Case(name, most, ledger.committed(session, Posting.run_id == run.id), one.total_minor)
        case Scope.DAY:
            yield _Case(name, most, ledger.committed_today(session, account, limit.currency), asked)
        case Scope.OPERATION:
            yield _Case(name, most, 0, max(one.largest_minor for one in wanted.values()))
        case Scope.WORKER:
            yield from _of_workers(session, limit, wanted.values())


def _of_workers(session: Session, limit: SpendLimit, wanted: Iterable[Asked]) -> Iterator[_Case]:
    """A case for each worker who is named; who takes a unit is not known when it is launched."""
    asked: Counter[UUID] = Counter()
    for one in wanted:
        asked.update(one.workers())
    had = ledger.of_workers(session, limit.requester_id, asked)
    for worker, amount in asked.items():
        yield _Case(_MEANING[Scope.WORKER], limit.amount_minor, had.get(worker, 0), amount)


def _check(currency: str, case: _Case) -> None:
    if case.committed + case.asked <= case.limit:
        return
    limit, committed, asked = (shown(minor, currency) for minor in (case.limit, case.committed, case.asked))
    raise BudgetError(
        f"This would go beyond {case.name}: that is {limit}, {committed} of it is committed, and {asked} more is asked "
        "for. Nothing was planned: ask for less, or see `crowdops ledger show` and `crowdops requester limit`."
    )


def set_limit(session: Session, requester: Requester, scope: Scope, amount_minor: int, currency: str) -> None:
    """Set one limit of an account, in place of the one before; whoever is planning spending is waited for."""
    session.get_one(Requester, requester.id, with_for_update=True)
    values = {"requester_id": requester.id, "scope": scope, "amount_minor": amount_minor, "currency": currency}
    key = ("requester_id", "scope")
    changed = {name: values[name] for name in ("amount_minor", "currency")}
    session.execute(insert(SpendLimit).values(values).on_conflict_do_update(index_elements=key, set_=changed))


def drop_limit(session: Session, requester: Requester, scope: Scope) -> None:
    """Let an account commit as much as it likes in this respect."""
    of = (SpendLimit.requester_id == requester.id, SpendLimit.scope == scope)
    for limit in session.scalars(select(SpendLimit).where(*of).with_for_update()):
        session.delete(limit)
