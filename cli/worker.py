"""`crowdops worker`: who works for an account, who is kept out of it, and who is qualified for what."""

from collections.abc import Callable
from typing import Annotated, Any

import typer
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cli import console, lookup
from cli.console import Json
from cli.failure import InputError
from cli.servers import embedded
from models import block, grant, message
from models.agent import Agent
from models.membership import Membership
from models.operation import Operation
from models.requester import Requester
from models.session import transaction
from models.worker import Worker
from tasks import dispatch

app = typer.Typer(no_args_is_help=True, add_completion=False)
Who = Annotated[
    str, typer.Argument(metavar="WORKER", help="The worker's id, its first 8 digits or more, or the vendor's name.")
]
Account = Annotated[
    str | None, typer.Option("--requester", metavar="NAME", help="The account, if the worker worked for several.")
]
Qualification = Annotated[str, typer.Argument(metavar="NAME", help="The qualification's name.")]
Reason = Annotated[str, typer.Option(help="Why, for whoever looks at it later.")]


@app.callback()
def _group() -> None:
    """See who works, keep people out, and say what they are good at."""


@app.command("list")
@embedded()
def list_(
    *,
    run: Annotated[str | None, typer.Option("--run", metavar="NAME|ID", help="Only who worked on this run.")] = None,
    names: Annotated[
        bool, typer.Option("--with-names", help="With the vendor's pseudonyms of people: personal data.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    as_json: Json = False,
) -> None:
    """List workers; who was active last comes first."""
    with transaction() as session:
        found = _active(lookup.run(session, run).id if run else None)
        rows = session.execute(found.limit(limit + 1)).all()
        kept_out = block.blockers(session, [row[0].id for row in rows])
    shown = [_line(row, number, last, kept_out, names=names) for row, number, last in rows[:limit]]
    if as_json:
        console.document(shown)
        return
    columns = ("worker", "vendor", *(["name"] if names else []), "pieces of work", "last moved", "blocked by")
    console.table(columns, [tuple(row.values()) for row in shown])
    if len(rows) > limit:
        console.say(f"There are more than {limit}: narrow it down, or raise --limit.")


def _active(run: Any) -> Any:  # noqa: ANN401 - an id or None, and a SELECT
    last = func.max(Agent.moved_at)
    found = select(Worker, func.count(), last).join(Agent, Agent.worker_id == Worker.id).group_by(Worker.id)
    return (found.where(Agent.task_run_id == run) if run else found).order_by(last.desc(), Worker.id)


def _line(row: Worker, work: int, moved: Any, kept_out: dict[Any, list[str]], *, names: bool) -> dict[str, Any]:  # noqa: ANN401 - a time
    named = {"name": row.name} if names else {}
    rest = {"work": work, "moved_at": moved, "blocked_by": kept_out.get(row.id, [])}
    return {"id": row.id, "vendor": row.provider_type} | named | rest


@app.command()
@embedded()
def show(typed: Who, *, as_json: Json = False) -> None:
    """Show one worker with the vendor's pseudonym, which is personal data: work, blocks and operations."""
    with transaction() as session:
        row = lookup.worker(session, typed)
        counted = select(Agent.status, func.count()).where(Agent.worker_id == row.id).group_by(Agent.status)
        facts = {
            "id": row.id,
            "vendor": row.provider_type,
            "name": row.name,
            "first_seen": row.created_at,
            "qualifications": grant.granted(row),
            "work": {str(status): number for status, number in session.execute(counted)},
        }
        blocks = {account.name: block.state(row, account) for account in _accounts(session, row)}
        mine = select(Operation).where(Operation.worker_id == row.id).order_by(Operation.created_at, Operation.id)
        operations = session.scalars(mine).all()
    if as_json:
        told = {name: {"wanted": one.wanted, "confirmed": one.confirmed} for name, one in blocks.items()}
        listed = [{name: getattr(one, name) for name in _COLUMNS} for one in operations]
        console.document({**facts, "blocked": told, "operations": listed})
        return
    console.facts(facts | {f"blocked by {name}": _words(one) for name, one in blocks.items()})
    if operations:
        lines = [(str(one.id)[:13], one.kind, one.state, one.body.get("reason"), one.reason) for one in operations]
        console.table(("operation", "kind", "state", "decided because", "why it is there"), lines)


_COLUMNS = ("id", "kind", "state", "body", "reason", "created_at", "settled_at")


def _words(one: Membership) -> str:
    now = "yes" if one.confirmed else "no"
    return now if one.wanted == one.confirmed else f"{now}, but {'a block' if one.wanted else 'its end'} is on its way"


@app.command("block")
@embedded()
def block_(typed: Who, *, reason: Reason, requester: Account = None, as_json: Json = False) -> None:
    """Let a worker take no place in studies of an account any more; whoever is at work may finish and is paid."""
    _decide(typed, requester, block.block, reason, as_json=as_json)


@app.command()
@embedded()
def unblock(typed: Who, *, reason: Reason, requester: Account = None, as_json: Json = False) -> None:
    """Let a blocked worker take places again."""
    _decide(typed, requester, block.unblock, reason, as_json=as_json)


@app.command("grant")
@embedded()
def grant_(
    typed: Who,
    name: Qualification,
    *,
    value: Annotated[int, typer.Option(help="The number; 0 says that the worker is not qualified.")] = 1,
    as_json: Json = False,
) -> None:
    """Give a worker a number in a qualification, in place of the one before."""
    try:
        _give(typed, name, lambda worker: grant.grant(worker, name, value), as_json=as_json)
    except ValueError:
        told = "A qualification has a name of 1 to 100 characters on one line, and a number of at most 18 digits."
        raise InputError(f"{told} Nothing was granted.") from None


@app.command()
@embedded()
def revoke(typed: Who, name: Qualification, *, as_json: Json = False) -> None:
    """Take a qualification from a worker, who then is as if it had never been granted."""
    _give(typed, name, lambda worker: grant.revoke(worker, name), as_json=as_json)


@app.command("message")
@embedded()
def message_(
    typed: Who,
    *,
    run: Annotated[str, typer.Option("--run", metavar="NAME|ID", help="The run that it is about.")],
    text: Annotated[str, typer.Option(help="What the worker reads; a short reference is put below it.")],
    key: Annotated[str | None, typer.Option(help="Makes the same text another message.")] = None,
    as_json: Json = False,
) -> None:
    """Send a worker a message about a run they worked on. The same text again is the same message."""
    with transaction() as session:
        worker, about = lookup.worker(session, typed), lookup.run(session, run)
        before = _known(session, worker)
        try:
            row = message.tell(worker, about, text, key)
        except ValueError as error:
            raise InputError(f"{error} Nothing was planned.") from None
        data = _data(row, about.requester, before)
    _told(data, as_json=as_json)


def _give(typed: str, name: str, act: Callable[[Worker], list[Operation]], *, as_json: bool) -> None:
    with transaction() as session:
        worker = lookup.worker(session, typed)
        before = grant.granted(worker).get(name.strip())
        operations = act(worker)
        value = grant.granted(worker).get(name.strip())
    dispatch.wake()
    if as_json:
        ids = [row.id for row in operations]
        console.document({"worker": worker.id, "name": name, "before": before, "value": value, "operations": ids})
        return
    had, has = ("nothing" if number is None else number for number in (before, value))
    console.say(f"Worker {worker.id} has {has} in {name} (before: {had}).")
    changes = console.counted(len(operations), "change")
    console.say(f"Planned at the vendor: {changes} of a group." if operations else "No group at the vendor changes.")


def _decide(typed: str, account: str | None, verb: Callable[..., Operation], reason: str, *, as_json: bool) -> None:
    if not reason.strip():
        raise InputError("--reason must say why. Nothing was planned.")
    with transaction() as session:
        worker = lookup.worker(session, typed)
        requester = lookup.requester(session, account) if account else _only(session, worker)
        if worker.provider_type != requester.provider_type:
            raise InputError(f"{requester.name} is an account at another vendor than the worker. Nothing was planned.")
        before = _known(session, worker)
        data = _data(verb(worker, requester, reason.strip()), requester, before)
    _told(data, as_json=as_json)


def _known(session: Session, worker: Worker) -> set[Any]:
    return set(session.scalars(select(Operation.id).where(Operation.worker_id == worker.id)))


def _data(row: Operation, account: Requester, before: set[Any]) -> dict[str, Any]:
    names = {"operation": row.id, "kind": row.kind, "state": row.state, "worker": row.worker_id}
    return names | {"account": account.name, "planned": row.id not in before}


def _told(data: dict[str, Any], *, as_json: bool) -> None:
    dispatch.wake()
    if as_json:
        console.document(data)
        return
    new = "Planned" if data["planned"] else "There already"
    who, stands = f"worker {data['worker']} by {data['account']}", f"operation {data['operation']} ({data['state']})"
    console.say(f"{new}: {data['kind']} for {who}, {stands}.")


def _accounts(session: Session, worker: Worker) -> list[Requester]:
    """Accounts that the worker worked for, or that decided on the worker."""
    worked = select(Agent.requester_id).where(Agent.worker_id == worker.id)
    decided = select(Operation.requester_id).where(Operation.worker_id == worker.id)
    mine = select(Requester).where(Requester.id.in_(worked.union(decided))).order_by(Requester.name)
    return list(session.scalars(mine))


def _only(session: Session, worker: Worker) -> Requester:
    accounts = _accounts(session, worker)
    if len(accounts) != 1:
        names = ", ".join(account.name for account in accounts) or "none"
        raise InputError(f"Say which account with --requester; the worker worked for: {names}. Nothing was planned.")
    return accounts[0]
