"""What is about to be offered goes in; what the vendor wants for it comes out, or why it cannot be paid."""

from dataclasses import dataclass

from cli import console, failure, money
from cli.failure import FailedError, InputError
from models.task_run import TaskRun
from providers.contract import CrowdProvider, Quote
from providers.errors import ProviderError, RejectedError
from tasks.runs import Spec


@dataclass(frozen=True, slots=True)
class Offer:
    """A run that is to be launched. Money is minor units of `currency`."""

    name: str
    title: str
    task_url: str
    pay_minor: int
    currency: str
    budget_minor: int
    places: int


def of(what: Spec | TaskRun, places: int) -> Offer:
    """So many places of a run, made or not."""
    shared = ("name", "task_url", "pay_minor", "currency", "budget_minor")
    return Offer(title=what.args["title"], places=places, **{name: getattr(what, name) for name in shared})


@dataclass(frozen=True, slots=True)
class Price:
    """What the vendor wants for a run, fees included, and what the account can still spend."""

    cost: Quote
    balance: Quote


def price(provider: CrowdProvider, wanted: Offer) -> Price:
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


def ask(provider: CrowdProvider, wanted: Offer) -> Price:
    """What the vendor says, as it says it."""
    return Price(provider.quote(wanted.pay_minor, wanted.currency, wanted.places), provider.balance())


def afford(asked: Price, wanted: Offer) -> None:
    """Refuse a run that cannot be paid, with the figures.

    Raises:
        InputError: it costs more than its budget or than the account has.
    """
    currency = wanted.currency
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
