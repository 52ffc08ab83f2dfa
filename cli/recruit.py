"""`crowdops run expire|pause|resume`: recruiting is ended or interrupted, and what that means is told."""

from collections.abc import Callable
from shlex import quote
from typing import Annotated, Any

import typer
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cli import console, lookup, pause
from cli.console import Json
from cli.failure import InputError
from cli.servers import embedded
from models import recruit
from models.operation import Operation
from models.plan import FALLEN
from models.requester import Requester
from models.session import transaction
from models.status import UnitStatus
from models.task_run import TaskRun
from models.unit import Unit
from tasks import dispatch

Named = Annotated[str, typer.Argument(metavar="NAME|ID", help="The run's name, its id, or the beginning of its id.")]
_STOPPED = (
    "Whoever is at work may finish and is paid. Units that nobody has expire once the study is stopped.",
    "No unit of this run is offered again: that is for good.",
)
_PAUSED = "Nobody else is let in until `crowdops run resume {name}`; whoever is at work goes on, and is paid."
_RESUMED = "People are let in again."


@embedded()
def expire(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME|ID", help="The run's name, its id, or the beginning of its id.")
    ] = None,
    *,
    unit: Annotated[
        str | None, typer.Option(metavar="ID", help="Take only this unit off the table; the study goes on.")
    ] = None,
    as_json: Json = False,
) -> None:
    """End a run's recruiting for good: whoever is at work may finish and is paid, what nobody has expires."""
    if unit is not None:
        _expire_unit(name, unit, as_json=as_json)
        return
    if name is None:
        raise InputError("Say which run, or one unit with --unit ID.")
    with transaction() as session:
        run = lookup.run(session, name)
        before = _known(session, run)
        stop = recruit.expire(run)
        data = _data(session, run, stop, before)
        waiting = session.scalars(select(func.count()).where(Operation.run_id == run.id, Operation.hold.isnot(None)))
        lines = _told_stop(session, run, waiting.one()) if stop else [_nothing_sent(session, run)]
    dispatch.wake()
    _tell(data, stop, lines, as_json=as_json)


def _told_stop(session: Session, run: TaskRun, waiting: int) -> list[str]:
    lines = list(_STOPPED)
    if waiting:
        lines.append(f"{console.counted(waiting, 'rejection').capitalize()} that waited for this will go out then.")
    return [*lines, *_account(session, run)]


def _account(session: Session, run: TaskRun) -> list[str]:
    paused = pause.of(session, session.get_one(Requester, run.requester_id))
    return [paused.told] if paused else []


def _nothing_sent(session: Session, run: TaskRun) -> str:
    session.flush()
    over = select(func.count()).where(Unit.task_run_id == run.id, Unit.status == UnitStatus.EXPIRED)
    expired = console.counted(session.scalars(over).one(), "unit")
    return f"Nothing of {run.name} was sent to the vendor, so there is nothing to stop: {expired} expired, at once."


def _expire_unit(name: str | None, typed: str, *, as_json: bool) -> None:
    with transaction() as session:
        row = lookup.unit(session, typed, lookup.run(session, name) if name else None)
        # As whoever gives a run's units to people does, who then sees this.
        session.get_one(TaskRun, row.task_run_id, with_for_update={"key_share": True})
        session.refresh(row, with_for_update={"key_share": True})
        row.expire()
        run = row.task_run
    if as_json:
        console.document({"unit": row.id, "run": run.id, "status": row.status})
        return
    console.say(f"Unit {row.id} of {run.name} is expired here: it is given to nobody.")
    console.say(
        "The vendor offers places, not units, so it goes on offering this one's. Whoever takes it all the same is "
        "paid, and shows as a discrepancy. To end that: "
        f"`crowdops run expire {quote(run.name)}`, for the whole run."
    )


def pause_(name: Named, *, as_json: Json = False) -> None:
    """Let nobody else in for now; whoever is at work goes on."""
    _turn(name, recruit.pause, _PAUSED, as_json=as_json)


def resume(name: Named, *, as_json: Json = False) -> None:
    """Let people in again after a pause."""
    _turn(name, recruit.resume, _RESUMED, as_json=as_json)


@embedded()
def _turn(name: str, verb: Callable[[TaskRun], Operation], meaning: str, *, as_json: bool) -> None:
    with transaction() as session:
        run = lookup.run(session, name)
        before = _known(session, run)
        operation = verb(run)
        data = _data(session, run, operation, before)
        lines = [meaning.format(name=quote(run.name)), *_account(session, run)]
    dispatch.wake()
    _tell(data, operation, lines, as_json=as_json)


def _known(session: Session, run: TaskRun) -> set[Any]:
    kinds = Operation.kind.in_(("stop", "pause", "resume"))
    return set(session.scalars(select(Operation.id).where(Operation.run_id == run.id, kinds)))


def _data(session: Session, run: TaskRun, operation: Operation | None, before: set[Any]) -> dict[str, Any]:
    session.flush()
    return {
        "run": run.id,
        "name": run.name,
        "operation": operation.id if operation else None,
        "kind": operation.kind if operation else None,
        "state": operation.state if operation else None,
        "planned": operation is not None and operation.id not in before,
    }


def _tell(data: dict[str, Any], operation: Operation | None, lines: list[str], *, as_json: bool) -> None:
    if as_json:
        console.document(data)
        return
    if operation is not None:
        new = "Planned for" if data["planned"] else "There already for"
        console.say(f"{new} {data['name']}: {operation.kind}, operation {operation.id}, which is {operation.state}.")
    if operation is not None and operation.state in FALLEN:
        console.say(f"It came to nothing. `crowdops ops retry {operation.id}` tries it again.")
        return
    for line in lines:
        console.say(line)
