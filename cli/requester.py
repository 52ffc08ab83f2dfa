"""`crowdops requester`: accounts at vendors are added, listed, paused and resumed."""

from typing import Annotated, Any

import typer
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from cli import console, limit, lookup
from cli.console import Json
from cli.failure import InputError
from cli.servers import embedded
from models.identity import requester_id
from models.plan import ConflictError
from models.requester import Requester
from models.session import transaction
from providers import credential, provider_class
from providers.contract import CrowdProvider
from providers.errors import AccountError
from tasks import dispatch, pacing

app = typer.Typer(no_args_is_help=True, add_completion=False)
Named = Annotated[str, typer.Argument(metavar="NAME", help="The account's name.")]


@app.command()
@embedded()
def add(  # noqa: PLR0913 - each option is one fact of an account
    name: Named,
    *,
    provider: Annotated[str, typer.Option(help="The vendor.")] = "prolific",
    workspace: Annotated[str | None, typer.Option(help="Prolific: the workspace's id.")] = None,
    project: Annotated[str | None, typer.Option(help="Prolific: the id of the project that studies go to.")] = None,
    fact: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="What another vendor needs.")] = None,
    secret: Annotated[
        str | None,
        typer.Option(
            "--credential",
            metavar="env:NAME|file:PATH",
            help="Where the workers find the token, never the token itself; env:CROWDOPS_<PROVIDER>_TOKEN if left out.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Add an account. The same account again shows the one that is there."""
    vendor = provider_class(provider)
    reference = _reference(secret or f"env:CROWDOPS_{provider.upper()}_TOKEN")
    facts = _facts(vendor, {"workspace": workspace, "project": project, **_pairs(fact or [])})
    key = requester_id(provider, name)
    values = {"id": key, "provider_type": provider, "name": name, "credential": reference, "facts": facts}
    added = insert(vendor.RequesterClass).values(values | {"rate": vendor.calls_per_second})
    with transaction() as session:
        fresh = session.execute(added.on_conflict_do_nothing().returning(Requester.id)).first() is not None
        row = session.get_one(Requester, key)
    if (row.credential, row.facts) != (reference, facts):
        raise ConflictError(
            f"There is an account {name!r} at {provider} already, with {console.cell(row.facts)} and the credential "
            f"{row.credential}. Choose another name."
        )
    _tell(row, as_json=as_json)
    if not as_json:
        console.say("Added. Check it with `crowdops doctor`." if fresh else "It was there already: nothing was added.")


def _reference(typed: str) -> str:
    try:
        credential.split(typed)
    except AccountError as error:
        raise InputError(str(error)) from None
    return typed


def _pairs(typed: list[str]) -> dict[str, str]:
    broken = [text for text in typed if not text.partition("=")[0] or not text.partition("=")[2]]
    if broken:
        raise InputError(f"--fact {broken[0]}: must be NAME=VALUE.")
    return {name: value for name, _, value in (text.partition("=") for text in typed)}


def _facts(vendor: type[CrowdProvider], given: dict[str, str | None]) -> dict[str, Any]:
    facts = {name: value for name, value in given.items() if value}
    missing = [f"--{name} ({meaning})" for name, meaning in vendor.FACTS.items() if name not in facts]
    if missing:
        raise InputError(f"An account at {vendor.PROVIDER_TYPE} needs {' and '.join(missing)}.")
    if foreign := sorted(facts.keys() - vendor.FACTS.keys()):
        raise InputError(f"An account at {vendor.PROVIDER_TYPE} has no {' and no '.join(foreign)}.")
    return facts


@app.command("list")
@embedded()
def list_(*, as_json: Json = False) -> None:
    """List accounts: their pace, and whether and why they are paused."""
    with transaction() as session:
        rows = session.scalars(select(Requester).order_by(Requester.name)).all()
        open_ids = set(session.scalars(select(Requester.id).where(pacing.is_open(Requester.id))))
    if as_json:
        console.document([_data(row, is_open=row.id in open_ids) for row in rows])
        return
    columns = ("name", "vendor", "pace", "state", "why")
    console.table(columns, [_line(row, is_open=row.id in open_ids) for row in rows])


@app.command()
@embedded()
def show(name: Named, *, as_json: Json = False) -> None:
    """Show an account, and how much it may spend."""
    with transaction() as session:
        row = lookup.requester(session, name)
        usable = select(Requester.id).where(Requester.id == row.id, pacing.is_open(Requester.id))
        is_open = session.scalars(usable).first() is not None
        limits = limit.limits(session, row)
    data = _data(row, is_open=is_open)
    if as_json:
        console.document(data | {"limits": limits})
        return
    console.facts(data)
    limit.tell(limits)


app.command("limit")(limit.limit)


def _line(row: Requester, *, is_open: bool) -> tuple[object, ...]:
    until = f"paused until {console.cell(row.paused_until)}" if row.paused_until else "paused until resumed"
    pace = f"{row.rate:.1f} requests a second"
    return row.name, row.provider_type, pace, "open" if is_open else until, None if is_open else row.paused_reason


@app.command()
@embedded()
def pause(name: Named, *, reason: Annotated[str, typer.Option(help="Why, for whoever resumes it.")]) -> None:
    """Stop everything that goes out for an account, until it is resumed."""
    with transaction() as session:
        row = lookup.requester(session, name)
    pacing.pause(row.id, reason, None)
    console.say(f"{row.name} is paused. What is on its way is finished; nothing else is sent until it is resumed.")


@app.command()
@embedded()
def resume(name: Named) -> None:
    """Let a paused account work again."""
    with transaction() as session:
        row = lookup.requester(session, name)
    pacing.resume(row.id)
    dispatch.wake()
    was = f" (it was paused: {row.paused_reason})" if row.paused_reason else ""
    console.say(f"{row.name} is open{was}.")


def _tell(row: Requester, *, as_json: bool) -> None:
    data = _data(row, is_open=row.paused_reason is None)
    console.document(data) if as_json else console.facts(data)


def _data(row: Requester, *, is_open: bool) -> dict[str, Any]:
    return {
        "name": row.name,
        "id": row.id,
        "vendor": row.provider_type,
        "facts": row.facts,
        "credential": row.credential,
        "requests_per_second": round(row.rate, 2),
        "paused": None if is_open else row.paused_reason,
        "paused_until": None if is_open else row.paused_until,
    }
