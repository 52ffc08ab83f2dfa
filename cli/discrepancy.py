"""`crowdops discrepancy`: evidence against what is on record is listed, explained, and put aside by a person."""

from functools import partial
from typing import Annotated, Any

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from cli import batch, console, findings, lookup
from cli.console import Json
from cli.failure import InputError
from cli.servers import embedded
from models.agent import Agent
from models.clock import now
from models.discrepancy import Discrepancy, Finding
from models.operation import Operation
from models.requester import Requester
from models.session import transaction
from models.status import IllegalMoveError
from models.task_run import TaskRun

app = typer.Typer(no_args_is_help=True, add_completion=False)
MEANINGS = {
    Finding.FINAL_CONTRADICTED: "The vendor shows otherwise than an operation that is final ended here. Nothing was "
    "changed: decide which is right, and undo the other at the vendor.",
    Finding.ILLEGAL_STATUS: "The vendor shows a status that this work may not get from the one it has here, such as "
    "a decision that was changed there. Ours was left as it is.",
    Finding.UNKNOWN_WORD: "The vendor uses a word for a status that crowdops does not know. The work was left as it "
    "is.",
    Finding.SURPLUS: "More people worked than there were units. They got units of their own, so that their work is "
    "decided on and paid like all other.",
    Finding.FOREIGN_PAYMENT: "The vendor shows a bonus that no operation paid: somebody paid it in the vendor's pages, "
    "or it was paid twice. Nothing more is paid for this work until you have looked into it and put this aside.",
    Finding.MISSING_PAYMENT: "A bonus counts as paid here, and a day later the vendor does not show it. Ask the "
    "vendor; nothing more is paid for this work until you put this aside.",
    Finding.OTHER_AMOUNT: "The vendor shows a bonus of another sum than was paid from here. Nothing more is paid for "
    "this work until you have looked into it and put this aside.",
    Finding.BALANCE: "More left the account than was paid from here: somebody else pays from it, or a payment went "
    "astray. Compare the vendor's list of transactions with `crowdops ledger export`.",
    Finding.VANISHED: "The vendor showed this work before and knows nothing of it now. Ours was left as it is.",
}
"""What each finding means, for a person."""


@app.command("list")
@embedded()
def list_(
    *,
    run: Annotated[str | None, typer.Option(metavar="NAME|ID", help="Only those of this run.")] = None,
    requester: Annotated[str | None, typer.Option(metavar="NAME", help="Only those of this account.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Those too that are resolved.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    as_json: Json = False,
) -> None:
    """List what does not fit what is on record, the oldest first."""
    with transaction() as session:
        found = findings.of_run(lookup.run(session, run)) if run else findings.every()
        if requester is not None:
            found = found.where(Discrepancy.requester_id == lookup.requester(session, requester).id)
        rows = session.scalars((found if every else found.where(findings.OPEN)).limit(limit + 1)).all()
    if as_json:
        console.document([findings.data(row) for row in rows[:limit]])
        return
    resolved = [(row.resolved_at, row.resolved_by) if every else () for row in rows[:limit]]
    more = ("resolved", "by") if every else ()
    lines = [(*findings.line(row), *rest) for row, rest in zip(rows[:limit], resolved, strict=True)]
    console.table((*findings.COLUMNS, *more), lines)
    if len(rows) > limit:
        console.say(f"There are more than {limit}: narrow it down, or raise --limit.")
    if not rows:
        console.say("Nothing is strange." if every else "Nothing is open. See --all for what was resolved.")


@app.command()
@embedded()
def show(
    typed: Annotated[str, typer.Argument(metavar="ID", help="The discrepancy's id, or its first 8 digits or more.")],
    *,
    as_json: Json = False,
) -> None:
    """Show what does not fit, what it means, and what it is about."""
    with transaction() as session:
        row = lookup.discrepancy(session, typed)
        data = findings.data(row) | {"meaning": MEANINGS[row.finding]} | _about(session, row)
    if as_json:
        console.document(data)
        return
    console.facts(data)
    if row.resolved_at is None:
        console.say(f'When it is dealt with: `crowdops discrepancy resolve {row.id} --note "..."`.')


def _about(session: Session, row: Discrepancy) -> dict[str, Any]:
    """The agent or operation that it is about, and where that can be looked into."""
    account = session.get_one(Requester, row.requester_id)
    agent, operation = session.get(Agent, row.subject), session.get(Operation, row.subject)
    of = agent.task_run_id if agent else operation.run_id if operation else None
    run = session.get(TaskRun, of) if of else None
    see = f"crowdops agent show {agent.id}" if agent else f"crowdops ops explain {operation.id}" if operation else None
    known = {"account": account.name, "run": run.name if run else None, "see": see}
    return known | {"submission": agent.submission if agent else None}


@app.command()
@embedded()
def resolve(
    typed: Annotated[list[str], typer.Argument(metavar="ID", help="Their ids, or their first 8 digits or more.")],
    *,
    note: Annotated[str, typer.Option(help="What you found out; kept with your user name and the time.")],
    as_json: Json = False,
) -> None:
    """Put discrepancies aside, all or none, with what you found out; nothing else is changed."""
    if not note.strip():
        raise InputError("Say with --note what you found out. Nothing was changed.")
    with transaction() as session:
        rows = sorted(lookup.discrepancies(session, typed), key=lambda row: row.id)
        rows = batch.all_or_none(rows, partial(_resolve, session, note=note.strip()), "discrepancy")
        data = [findings.data(row) for row in rows]
    lines = [f"Discrepancy {row.id} ({row.finding}) is resolved. Noted: {row.note}" for row in rows]
    batch.tell(data, lines, as_json=as_json)


def _resolve(session: Session, row: Discrepancy, note: str) -> Discrepancy:
    session.refresh(row, with_for_update={"key_share": True})
    if row.resolved_at is not None:
        moment = console.cell(row.resolved_at)
        raise IllegalMoveError(f"Discrepancy {row.id} was resolved at {moment} by {row.resolved_by}: {row.note}")
    row.resolved_at, row.resolved_by, row.note = session.scalars(select(now())).one(), batch.user(), note
    return row
