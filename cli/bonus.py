"""`crowdops bonus`: workers are paid something on top, once for each key."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import bonuses, console, money
from cli.bonuses import Asked, Planned
from cli.console import Json
from cli.servers import embedded
from models.plan import DEFAULT_KEY, FALLEN

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def _group() -> None:
    """Pay workers something on top of their work."""


@app.command()
@embedded()
def pay(  # noqa: PLR0913 - whom, how much and why
    file: Annotated[
        Path | None,
        typer.Argument(help="A CSV file with columns agent or submission, and amount, reason and key."),
    ] = None,
    *,
    agent: Annotated[list[str] | None, typer.Option(metavar="ID", help="This agent; may be repeated.")] = None,
    amount: Annotated[str | None, typer.Option(help="How much, such as 1.20; for rows that do not say.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why; for rows that do not say.")] = None,
    key: Annotated[
        str, typer.Option(help="What tells a second bonus for the same work from the same one typed again.")
    ] = DEFAULT_KEY,
    run: Annotated[str | None, typer.Option(metavar="NAME|ID", help="The run that all of them belong to.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be paid; write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Pay a bonus to each of these workers, once: the same again shows the bonuses that are there.

    One row that cannot be paid refuses all of them, before anything is planned.
    """
    asked = Asked(run, agent or [], file, {"amount": amount, "reason": reason, "key": key})
    planned, costs = bonuses.pay(asked, dry_run=dry_run)
    if as_json:
        console.document(_data(planned, costs, dry_run=dry_run))
        return
    for line in _told(planned, costs, dry_run=dry_run):
        console.say(line)


def _data(planned: Planned, costs: bonuses.Costs, *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "planned": len(planned.fresh),
        "existing": Counter(planned.there.values()),
        "amount_minor": planned.amount_minor,
        "fee_minor": costs.fee_minor,
        "currency": planned.currency,
        "operations": planned.fresh,
    }


def _told(planned: Planned, costs: bonuses.Costs, *, dry_run: bool) -> list[str]:
    many = console.counted(len(planned.fresh), "bonus")
    told = []
    if planned.fresh:
        amount, fee = (money.shown(sum_, planned.currency) for sum_ in (planned.amount_minor, costs.fee_minor))
        verb = "Would be planned" if dry_run else "Planned"
        told.append(f"{verb}: {many}, {amount} for workers and about {fee} of fees on top.")
    if planned.there:
        states = console.cell(Counter(planned.there.values()))
        told.append(f"There already: {console.counted(len(planned.there), 'bonus')} ({states}). Nothing was added.")
    if fallen := [key for key, state in planned.there.items() if state in FALLEN]:
        told.append(f"What came to nothing is tried again by `crowdops ops retry`, such as {fallen[0]}.")
    if dry_run:
        told.append("Nothing was written, and nothing was sent.")
    return told
