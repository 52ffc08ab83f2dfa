"""Launching, step by step: a checked run file goes in; its price, the rehearsal of it, or the run itself comes out."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cli import console, failure, lookup, money
from cli.failure import FailedError, InputError, UnknownNameError
from cli.runfile import Wanted
from models.identity import run_id
from models.operation import Operation
from models.plan import ConflictError
from models.requester import Requester
from models.session import transaction
from models.task_run import TaskRun
from models.unit import Unit
from providers import provider_class
from providers.contract import CrowdProvider, Quote
from providers.errors import ProviderError, RejectedError
from tasks import dispatch, failpoints, runs


@dataclass(frozen=True, slots=True)
class Price:
    """What the vendor wants for a run, fees included, and what the account can still spend."""

    cost: Quote
    balance: Quote


@dataclass(frozen=True, slots=True)
class Launched:
    """A run as it was planned."""

    run_id: UUID
    units: int
    operations: Mapping[str, int]
    """By kind."""
    fresh: bool
    """False for a run that was there already."""


def args_of(name: str) -> type[BaseModel] | None:
    """The model of what the vendor of an account understands; None if the account is not known."""
    with transaction() as session:
        try:
            return provider_class(lookup.requester(session, name).provider_type).ArgsClass
        except UnknownNameError:
            return None


def existing(session: Session, requester: Requester, wanted: Wanted) -> Launched | None:
    """The run, if this file was launched before.

    Raises:
        ConflictError: a run of this name has other content.
    """
    run = session.get(TaskRun, run_id(requester.id, wanted.file.name))
    if run is None:
        return None
    if run.content_hash != wanted.spec(sandbox=run.sandbox).content_hash:
        raise ConflictError(
            f"A run named {run.name!r} was launched before with other content: see `crowdops run show {run.id}`. "
            "Give the new one another name."
        )
    return _planned(session, run, fresh=False)


def price(provider: CrowdProvider, wanted: Wanted) -> Price:
    """Ask the vendor what the run costs, and whether that can be paid.

    Raises:
        InputError: it costs more than its budget or than the account has, or the vendor refuses to say.
        FailedError: the vendor does not answer, or the account's credential is no good.
    """
    try:
        asked = ask(provider, wanted)
    except RejectedError as error:
        raise InputError(f"{error} Nothing was launched.") from None
    except ProviderError as error:
        why = failure.asked(error)
        raise FailedError(f"The vendor could not be asked what this costs, so nothing was launched: {why}") from None
    afford(asked, wanted)
    return asked


def ask(provider: CrowdProvider, wanted: Wanted) -> Price:
    """What the vendor says, as it says it."""
    return Price(provider.quote(wanted.pay_minor, wanted.file.currency, wanted.places), provider.balance())


def afford(asked: Price, wanted: Wanted) -> None:
    """Refuse a run that cannot be paid, with the figures.

    Raises:
        InputError: it costs more than its budget or than the account has.
    """
    currency = wanted.file.currency
    for quote in (asked.cost, asked.balance):
        if quote.currency != currency:
            raise InputError(f"The account is in {quote.currency}, the run file in {currency}. Nothing was launched.")
    cost = (
        f"{console.counted(wanted.places, 'unit')} cost {money.shown(asked.cost.total_minor, currency)}, fees included"
    )
    if asked.cost.total_minor > wanted.budget_minor:
        budget = money.shown(wanted.budget_minor, currency)
        raise InputError(f"{cost}, but the budget is {budget}. Nothing was launched: raise it, or launch fewer units.")
    if asked.cost.total_minor > asked.balance.total_minor:
        balance = money.shown(asked.balance.total_minor, currency)
        raise InputError(
            f"{cost}, but the account has {balance} left. Nothing was launched: top it up, or launch less."
        )


def rehearse(requester: Requester, wanted: Wanted, cost: Quote, *, sandbox: bool) -> Launched:
    """What a launch would plan: it is planned for real, and taken back before anybody can see it."""
    with transaction() as session:
        run, fresh = runs.create(session, requester, wanted.spec(sandbox=sandbox, cost=cost), wanted.rows)
        session.flush()
        planned = _planned(session, run, fresh=fresh)
        session.rollback()
    return planned


def launch(requester: Requester, wanted: Wanted, cost: Quote, *, sandbox: bool) -> Launched:
    """Put the run on record with everything that is to be done, and wake the workers.

    Raises:
        ConflictError: a run of this name has other content.
        BudgetError: it goes beyond a limit of the account.
    """
    with transaction() as session:
        run, fresh = runs.create(session, requester, wanted.spec(sandbox=sandbox, cost=cost), wanted.rows)
        session.flush()
        planned = _planned(session, run, fresh=fresh)
    failpoints.hit("after_plan")
    dispatch.wake()
    return planned


def _planned(session: Session, run: TaskRun, *, fresh: bool) -> Launched:
    kinds = select(Operation.kind, func.count()).where(Operation.run_id == run.id).group_by(Operation.kind)
    operations = Counter(dict(session.execute(kinds.order_by(func.min(Operation.created_at))).all()))
    units = session.scalars(select(func.count()).where(Unit.task_run_id == run.id)).one()
    return Launched(run.id, units, dict(operations), fresh)
