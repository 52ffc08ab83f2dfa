"""`crowdops ledger`: what was reserved, paid and let go is summed, checked against the work, and written out."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from cli import book, console, export, lookup, money, output
from cli.console import Json
from cli.servers import embedded
from models import audit, ledger
from models.audit import Rule
from models.posting import Entry, Posting
from models.session import transaction
from models.task_run import TaskRun

app = typer.Typer(no_args_is_help=True, add_completion=False)
REMEDIES = {
    Rule.OVER_BUDGET: "Launch nothing more of it; `crowdops ledger export --run ID` shows what was committed.",
    Rule.SURPLUS: "Nothing is wrong with the ledger: whoever worked is paid. See `crowdops discrepancy list --run ID`.",
}
_REPAIR = (
    "Somebody changed the database around crowdops. Compare with the vendor's own pages, and keep a copy "
    "(`crowdops ledger export`) before anything is repaired: changing the row's status again by its verb posts what "
    "is missing."
)
"""What to do about every other rule."""
_HEADINGS = {
    Entry.RESERVE: "reserved",
    Entry.ADJUST: "adjusted",
    Entry.SETTLE: "settled",
    Entry.RELEASE: "released",
}


@app.command()
@embedded()
def show(
    name: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="The run's name, its id, or the beginning of its id.")
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Show what was reserved, paid, let go, and is still open: for each run, for pay and bonuses, with the fees."""
    with transaction() as session:
        run = lookup.run(session, name) if name else None
        sums = ledger.summary(session, *([Posting.run_id == run.id] if run else []))
        runs = _runs(session, sums, run)
        left = {key: one.get_available_budget() for key, one in runs.items()}
    if as_json:
        console.document([_data(one, runs) for one in sums])
        return
    lines = [line for one in sums for line in _lines(one, runs)]
    console.table(("run", "purpose", "who gets it", *_HEADINGS.values(), "open"), lines)
    for key, one in runs.items():
        budget, rest = (money.shown(minor, one.currency) for minor in (one.budget_minor, left[key]))
        console.say(f"{one.name}: the budget is {budget}, of which {rest} can still be committed.")


def _runs(session: Session, sums: Sequence[ledger.Sums], named: TaskRun | None) -> dict[UUID, TaskRun]:
    ids = {one.run_id for one in sums} | ({named.id} if named else set())
    found = session.scalars(select(TaskRun).where(TaskRun.id.in_(ids)).order_by(TaskRun.created_at))
    return {run.id: run for run in found}


def _lines(one: ledger.Sums, runs: dict[UUID, TaskRun]) -> list[tuple[object, ...]]:
    name = runs[one.run_id].name if one.run_id else None
    parts = (("workers", one.amounts, one.open_minor), ("vendor", one.fees, one.open_fee_minor))
    return [
        (name, one.purpose, who, *(money.shown(minor, one.currency) for minor in (*_ordered(sums), rest)))
        for who, sums, rest in parts
    ]


def _ordered(sums: Any) -> list[int]:  # noqa: ANN401 - a mapping of entries
    return [sums[entry] for entry in _HEADINGS]


def _data(one: ledger.Sums, runs: dict[UUID, TaskRun]) -> dict[str, Any]:
    parts = {"amount_minor": (one.amounts, one.open_minor), "fee_minor": (one.fees, one.open_fee_minor)}
    run = runs[one.run_id] if one.run_id else None
    return {
        "run": run.name if run else None,
        "run_id": one.run_id,
        "requester_id": one.requester_id,
        "purpose": one.purpose,
        "currency": one.currency,
        "budget_minor": run.budget_minor if run else None,
    } | {
        part: {heading: sums[entry] for entry, heading in _HEADINGS.items()} | {"open": rest}
        for part, (sums, rest) in parts.items()
    }


@app.command()
@embedded()
def check(
    *,
    requester: Annotated[str | None, typer.Option(metavar="NAME", help="Only this account.")] = None,
    as_json: Json = False,
) -> None:
    """Check the ledger against the work: exit code 0 when all agrees, 1 when something does not."""
    with transaction() as session:
        export.snapshot(session)
        account = lookup.requester(session, requester).id if requester else None
        found = list(audit.check(session, account))
    wrong = [one for one in found if one.name not in audit.EXPLAINED]
    if as_json:
        console.document([_violation(one) for one in found])
    else:
        for one in found:
            console.say(f"{one.where}: {one.name} ({one.what}). {REMEDIES.get(one.name, _REPAIR)}")
        agree = "Every unit and every bonus has its money where it belongs."
        console.say(f"{len(wrong)} found that must not be." if wrong else agree)
    if wrong:
        raise typer.Exit(1)


def _violation(one: audit.Violation) -> dict[str, Any]:
    explained = one.name in audit.EXPLAINED
    remedy = REMEDIES.get(one.name, _REPAIR)
    return {"rule": one.name, "where": one.where, "what": one.what, "explained": explained, "remedy": remedy}


@app.command("export")
@embedded()
def export_(
    *,
    name: Annotated[str | None, typer.Option("--run", metavar="NAME|ID", help="Only this run.")] = None,
    wanted: export.Wanted = None,
    file: export.Output = None,
) -> None:
    """Write every posting, the oldest first; amounts are minor units. No names of people are among them."""
    with transaction() as session:
        run = lookup.run(session, name) if name else None
    with output.to(file) as stream, transaction() as session:
        export.snapshot(session)
        number = book.write(session, run.id if run else None, stream, export.style(wanted, file))
    if file is not None:
        console.say(f"Wrote {console.counted(number, 'posting')} to {file}.")
