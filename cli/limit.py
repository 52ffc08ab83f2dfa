"""`crowdops requester limit`: how much an account may commit, in all, for a run, a worker, a day, or at once."""

from typing import Annotated, Any

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from cli import console, lookup, money
from cli.console import Json
from cli.failure import InputError
from cli.servers import embedded
from models import budget, ledger
from models.posting import Posting
from models.requester import Requester
from models.session import transaction
from models.spend_limit import Scope, SpendLimit
from models.task_run import TaskRun

NONE = "none"


def _option(text: str) -> Any:  # noqa: ANN401 - typer's
    return typer.Option(metavar="AMOUNT|none", help=text)


@embedded()
def limit(  # noqa: PLR0913 - an option for each limit
    name: Annotated[str, typer.Argument(metavar="NAME", help="The account's name.")],
    *,
    account: Annotated[str | None, _option("For everything, ever, fees included.")] = None,
    run: Annotated[str | None, _option("For any one run, fees included.")] = None,
    worker: Annotated[str | None, _option("What one worker may get.")] = None,
    day: Annotated[str | None, _option("For what is reserved in a day (UTC), fees included.")] = None,
    operation: Annotated[str | None, _option("For a single bonus, or the pay of a single unit.")] = None,
    currency: Annotated[
        str | None, typer.Option(metavar="CODE", help="Of the amounts; that of the account's runs, if left out.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Set limits of an account in major units, such as 500.00, or take them off; without any, show them."""
    given = dict(zip(Scope, (account, run, worker, day, operation), strict=True))
    asked = {scope: text for scope, text in given.items() if text is not None}
    with transaction() as session:
        row = lookup.requester(session, name)
        code = _currency(session, row, currency) if any(text != NONE for text in asked.values()) else ""
        amounts = {scope: _amount(scope, text, code) for scope, text in asked.items()}
        for scope, amount in amounts.items():
            if amount is None:
                budget.drop_limit(session, row, scope)
            else:
                budget.set_limit(session, row, scope, amount, code)
        session.flush()
        found = limits(session, row)
    if as_json:
        console.document(found)
        return
    tell(found)


def limits(session: Session, requester: Requester) -> list[dict[str, Any]]:
    """An account's limits as programs read them, with what counts against those that are of the whole account."""
    mine = select(SpendLimit).where(SpendLimit.requester_id == requester.id).order_by(SpendLimit.scope)
    names = ("scope", "amount_minor", "currency")
    return [
        {name: getattr(row, name) for name in names} | {"committed_minor": _committed(session, row)}
        for row in session.scalars(mine)
    ]


def tell(found: list[dict[str, Any]]) -> None:
    """Print limits for a person."""
    if not found:
        console.say("No limits are set: each run's own budget alone says what may be spent.")
        return
    lines = [
        (row["scope"], money.shown(row["amount_minor"], row["currency"]), _shown(row["committed_minor"], row))
        for row in found
    ]
    console.table(("limit for", "amount", "committed"), lines)


def _shown(minor: int | None, row: dict[str, Any]) -> str | None:
    return None if minor is None else money.shown(minor, row["currency"])


def _committed(session: Session, row: SpendLimit) -> int | None:
    match row.scope:
        case Scope.ACCOUNT:
            of_account = (Posting.requester_id == row.requester_id, Posting.currency == row.currency)
            return ledger.committed(session, *of_account)
        case Scope.DAY:
            return ledger.committed_today(session, row.requester_id, row.currency)
        case _:
            return None


def _currency(session: Session, requester: Requester, typed: str | None) -> str:
    if typed is not None:
        if typed not in money.EXPONENTS:
            raise InputError(f"--currency: {typed} is not known; known are {', '.join(sorted(money.EXPONENTS))}.")
        return typed
    for table in (SpendLimit, TaskRun):
        seen = select(table.currency).where(table.requester_id == requester.id).distinct()
        found = session.scalars(seen).all()
        if len(found) == 1:
            return found[0]
    raise InputError(f"Say in which currency {requester.name} pays: --currency GBP, for example.")


def _amount(scope: Scope, text: str, currency: str) -> int | None:
    if text == NONE:
        return None
    try:
        return money.minor(money.amount(text, currency), currency)
    except ValueError as error:
        raise InputError(f"--{scope} {text}: {error}, or {NONE}. No limit was changed.") from None
