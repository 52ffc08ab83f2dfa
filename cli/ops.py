"""`crowdops ops`: operations are listed, explained, withdrawn, tried again, and decided where only a person can."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from functools import partial
from operator import attrgetter
from typing import Annotated, Any

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from cli import batch, console, lookup, money
from cli import explain as stories
from cli.console import Json
from cli.failure import InputError
from cli.servers import embedded
from models.agent import Agent
from models.attempt import Attempt
from models.operation import FINAL, Operation, State
from models.session import transaction
from tasks import decide, dispatch
from tasks.decide import Decision

app = typer.Typer(no_args_is_help=True, add_completion=False)


class Found(StrEnum):
    """What a person found out, in the words that fit; those of payments mean the same as the others."""

    CONFIRMED = "confirmed"
    RETRY = "retry"
    REJECTED = "rejected"
    PAID = "paid"
    NOT_PAID = "not-paid"


_DECISIONS = {
    Found.CONFIRMED: Decision.CONFIRMED,
    Found.RETRY: Decision.RETRY,
    Found.REJECTED: Decision.REJECTED,
    Found.PAID: Decision.CONFIRMED,
    Found.NOT_PAID: Decision.RETRY,
}
Id = Annotated[str, typer.Argument(metavar="ID", help="The operation's id, or its first 8 digits or more.")]
Ids = Annotated[list[str], typer.Argument(metavar="ID", help="Operations' ids, or their first 8 digits or more.")]
_BY_ID = attrgetter("id")


@app.command("list")
@embedded()
def list_(
    *,
    state: Annotated[State | None, typer.Option(help="Only those in this state.")] = None,
    kind: Annotated[
        str | None, typer.Option(help="Only this kind: draft, publish, launch, approve, reject, stop, pause or resume.")
    ] = None,
    run: Annotated[str | None, typer.Option(metavar="NAME|ID", help="Only those of this run.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    as_json: Json = False,
) -> None:
    """List operations, the newest first."""
    found = select(Operation).order_by(Operation.created_at.desc(), Operation.id)
    if state is not None:
        found = found.where(Operation.state == state)
    if kind is not None:
        found = found.where(Operation.kind == kind)
    with transaction() as session:
        if run is not None:
            found = found.where(Operation.run_id == lookup.run(session, run).id)
        rows = session.scalars(found.limit(limit + 1)).all()
        shown = [_data(row) for row in rows[:limit]]
    if as_json:
        console.document(shown)
        return
    columns = ("id", "kind", "state", "attempts", "next_at", "reason")
    console.table([name.replace("_", " ") for name in columns], [_line(row) for row in rows[:limit]])
    if len(rows) > limit:
        console.say(f"There are more than {limit}: narrow it down, or raise --limit.")


def _line(row: Operation) -> tuple[object, ...]:
    waits = None if row.state in FINAL or row.state is State.REVIEW or row.hold else row.next_at
    return str(row.id)[:13], row.kind, row.state, row.attempts, waits, f"waits: {row.hold}" if row.hold else row.reason


@app.command()
@embedded()
def show(typed: Id, *, as_json: Json = False) -> None:
    """Show everything that is on record about an operation."""
    with transaction() as session:
        row = lookup.operation(session, typed)
        attempts = [_attempt(attempt) for attempt in stories.attempts_of(session, row)]
        data = _data(row) | _details(session, row)
    if as_json:
        console.document({**data, "attempts": attempts})
        return
    if row.amount_minor is not None and row.currency is not None:
        data["amount"] = money.shown(row.amount_minor, row.currency)
    console.facts(data)
    if attempts:
        console.table(
            ("sent", "closed", "outcome", "operations", "detail"), [tuple(one.values())[1:] for one in attempts]
        )


@app.command()
@embedded()
def explain(typed: Id, *, as_json: Json = False) -> None:
    """Tell in plain words what an operation meant, what became of it, and what happens next."""
    with transaction() as session:
        row = lookup.operation(session, typed)
        story = stories.explain(session, row)
    if as_json:
        console.document({"id": row.id, "kind": row.kind, "state": row.state, **asdict(story)})
        return
    console.say(f"Operation {row.id} ({row.kind}, {row.state})")
    for title, lines in (
        ("What was meant", [story.meant]),
        ("What was sent", story.sent or ["Nothing yet."]),
        ("What was read", story.read),
        ("Where it stands", story.stands),
        ("What is next", story.next),
    ):
        console.say("")
        console.say(f"{title}:")
        for line in lines:
            console.say(f"  {line}")


@app.command()
@embedded()
def retry(typed: Ids, *, as_json: Json = False) -> None:
    """Try again, all or none: what was refused or withdrawn is planned anew, what waits is sent now."""
    with transaction() as session:
        rows = sorted(lookup.operations(session, typed), key=_BY_ID)
        again = batch.all_or_none(rows, lambda row: decide.retry(session, row.id), "operation")
        data = [_data(row) for row in again]
    dispatch.wake()
    batch.tell(data, [_tried_again(row, new) for row, new in zip(rows, again, strict=True)], as_json=as_json)


def _tried_again(row: Operation, new: Operation) -> str:
    if new.id != row.id:
        return f"Operation {row.id} ({row.kind}) is tried again as operation {new.id}, which is {new.state}."
    if new.hold is not None:
        return f"Operation {row.id} ({row.kind}) goes on waiting: {new.hold}. See `crowdops ops explain {row.id}`."
    if new.state is State.PLANNED:
        return f"Operation {row.id} ({row.kind}) is due now. If nothing happens, see `crowdops ops explain {row.id}`."
    return f"Operation {row.id} ({row.kind}) is {new.state}: there is nothing to try again."


@app.command()
@embedded()
def cancel(typed: Ids, *, note: Annotated[str, typer.Option(help="Why.")] = "withdrawn", as_json: Json = False) -> None:
    """Withdraw, all or none, operations that are planned and that no worker has taken."""
    with transaction() as session:
        # Of a run's places only the last can be withdrawn, so it goes first.
        rows = sorted(lookup.operations(session, typed), key=lambda row: (-row.body.get("places", 0), row.id))
        rows = batch.all_or_none(
            rows, lambda row: decide.cancel(session, row.id, who=batch.user(), note=note), "operation"
        )
        waited = Operation.after_id.in_([row.id for row in rows])
        leaders = set(session.scalars(select(Operation.after_id).where(waited)))
        data = [_data(row) for row in rows]
    dispatch.wake()
    batch.tell(data, [_withdrawn(row, leads=row.id in leaders) for row in rows], as_json=as_json)


def _withdrawn(row: Operation, *, leads: bool) -> str:
    others = " What waited for it is cancelled with it." if leads else ""
    return f"Operation {row.id} ({row.kind}) is cancelled: nothing was sent, and nothing will be.{others}"


@app.command()
@embedded()
def resolve(
    typed: Ids,
    found: Annotated[
        Found, typer.Argument(metavar="DECISION", help="What you found; `ops explain` says what each one does.")
    ],
    *,
    note: Annotated[str, typer.Option(help="Why; kept with your user name and the time.")],
    result: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="With confirmed: what the answer would have told; may be repeated."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Settle, all or none, operations that are in review, as you found them at the vendor."""
    told = _pairs(result or [])
    with transaction() as session:
        rows, decision = sorted(lookup.operations(session, typed), key=_BY_ID), _DECISIONS[found]
        _check_results(rows, decision, told)
        settle = partial(decide.resolve, session, decision=decision, who=batch.user(), note=note, result=told)
        rows = batch.all_or_none(rows, lambda row: settle(row.id), "operation")
        data = [_data(row) for row in rows]
    dispatch.wake()
    noted = [(row, (row.note or "").splitlines()[-1]) for row in rows]
    batch.tell(
        data, [f"Operation {row.id} ({row.kind}) is {row.state}. Noted: {note}" for row, note in noted], as_json=as_json
    )


def _check_results(rows: Sequence[Operation], decision: Decision, told: Mapping[str, str]) -> None:
    if told and (len(rows) > 1 or decision is not Decision.CONFIRMED):
        raise InputError("--result belongs to one operation that is confirmed. Nothing was changed.")
    for row in rows if decision is Decision.CONFIRMED else ():
        if (fact := stories.NEEDED.get(row.kind)) and fact not in told:
            raise InputError(
                f"What follows the {row.kind} {row.id} needs the vendor's id of it: resolve it by itself, "
                f"with --result {fact}=ID, as the vendor shows it. Nothing was changed."
            )


def _pairs(typed: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in typed]
    for name, _, value in pairs:
        if not name or not value:
            raise InputError("--result must be NAME=VALUE, such as study_id=66f0c2.")
    return {name: value for name, _, value in pairs}


def _data(row: Operation) -> dict[str, Any]:
    """What is told about an operation. Its target is left out: for some kinds it is a worker."""
    names = (
        "id",
        "kind",
        "state",
        "run_id",
        "unit_id",
        "agent_id",
        "worker_id",
        "after_id",
        "amount_minor",
        "currency",
        "attempts",
    )
    times = ("created_at", "next_at", "first_sent_at", "last_sent_at", "settled_at")
    return {name: getattr(row, name) for name in (*names, *times, "hold", "reason", "note")}


def _details(session: Session, row: Operation) -> dict[str, Any]:
    agent = session.get(Agent, row.agent_id) if row.agent_id else None
    return {
        "account": row.requester.name,
        "submission": agent.submission if agent else None,
        "key": row.key,
        "body": row.body,
        "result": row.result,
        "reads": row.reads,
        "alone": row.alone,
        "lease_until": row.lease_until,
        "nudged_at": row.nudged_at,
    }


def _attempt(row: Attempt) -> dict[str, Any]:
    return {
        "id": row.id,
        "sent": row.created_at,
        "closed": row.closed_at,
        "outcome": row.outcome,
        "operations": len(row.operation_ids),
        "detail": row.detail,
    }
