"""What a person types to name something goes in, its row comes out, or an error that lists what there is."""

from collections.abc import Callable, Sequence
from typing import TypeVar
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from cli.console import plural
from cli.failure import InputError, UnknownNameError
from models.agent import Agent
from models.discrepancy import Discrepancy
from models.operation import Operation
from models.requester import Requester
from models.task_run import TaskRun
from models.unit import Unit
from models.worker import Worker

SHORTEST = 8
"""Digits that the beginning of an id must have to stand for the whole."""
LISTED = 20
_DIGITS = 32

Row = TypeVar("Row", TaskRun, Operation, Agent, Unit, Discrepancy, Worker)


def requester(session: Session, name: str) -> Requester:
    """The account of this name, or of this vendor and name (``prolific/demo``).

    Raises:
        UnknownNameError: there is none.
        InputError: several vendors have an account of this name.
    """
    vendor = Requester.provider_type + "/" + Requester.name
    found = session.scalars(select(Requester).where(or_(Requester.name == name, vendor == name))).all()
    if not found:
        known = session.scalars(select(Requester.name).order_by(Requester.name).limit(LISTED)).all()
        raise UnknownNameError(
            f"There is no account {name!r}. Known: {_known(known)}. Add one with `crowdops requester add`."
        )
    return _only(found, f"accounts named {name!r}", [f"{row.provider_type}/{row.name}" for row in found])


def run(session: Session, name: str) -> TaskRun:
    """The run of this name, id, or beginning of an id.

    Raises:
        UnknownNameError: there is none.
        InputError: several accounts have a run of this name, or several ids begin so.
    """
    found = session.scalars(select(TaskRun).where(TaskRun.name == name)).all() or _by_id(session, TaskRun, name)
    if not found:
        newest = select(TaskRun.name).order_by(TaskRun.created_at.desc()).limit(LISTED)
        raise UnknownNameError(
            f"There is no run {name!r}. Known: {_known(session.scalars(newest).all())}. See `crowdops run list`."
        )
    return _only(found, f"runs {name!r}", [str(row.id) for row in found])


def operation(session: Session, typed: str) -> Operation:
    """The operation of this id, or beginning of an id.

    Raises:
        UnknownNameError: there is none.
        InputError: several ids begin so.
    """
    return _one_of(session, Operation, typed, "operation", "See `crowdops ops list`.")


def operations(session: Session, typed: Sequence[str]) -> list[Operation]:
    """The operations of these ids, or beginnings of ids, each once.

    Raises:
        UnknownNameError: some are not there, and all of these are named.
        InputError: several ids begin so.
    """
    return _each_once(typed, lambda text: operation(session, text), "operation", "See `crowdops ops list`.")


def discrepancy(session: Session, typed: str) -> Discrepancy:
    """The discrepancy of this id, or beginning of an id.

    Raises:
        UnknownNameError: there is none.
        InputError: several ids begin so.
    """
    return _one_of(session, Discrepancy, typed, "discrepancy", "See `crowdops discrepancy list`.")


def discrepancies(session: Session, typed: Sequence[str]) -> list[Discrepancy]:
    """The discrepancies of these ids, or beginnings of ids, each once.

    Raises:
        UnknownNameError: some are not there, and all of these are named.
        InputError: several ids begin so.
    """
    return _each_once(typed, lambda text: discrepancy(session, text), "discrepancy", "See `crowdops discrepancy list`.")


def agent(session: Session, typed: str, of: TaskRun | None = None) -> Agent:
    """The agent of this id, or beginning of an id; with `of`, one of that run.

    Raises:
        UnknownNameError: there is none, or the run has no such agent.
        InputError: several ids begin so.
    """
    found = _one_of(session, Agent, typed, "agent", "See `crowdops agent list --run NAME`.")
    return _mine(found, "Agent", typed, of)


def unit(session: Session, typed: str, of: TaskRun | None = None) -> Unit:
    """The unit of this id, or beginning of an id; with `of`, one of that run.

    Raises:
        UnknownNameError: there is none, or the run has no such unit.
        InputError: several ids begin so.
    """
    found = _one_of(session, Unit, typed, "unit", "`crowdops run export NAME` writes those of a run.")
    return _mine(found, "Unit", typed, of)


def worker(session: Session, typed: str) -> Worker:
    """The worker of this vendor's name, id, or beginning of an id. What was typed may name a person: it is not told.

    Raises:
        UnknownNameError: there is none.
        InputError: it means several.
    """
    found = session.scalars(select(Worker).where(Worker.name == typed)).all() or _by_id(session, Worker, typed)
    if not found:
        raise UnknownNameError("There is no such worker. See `crowdops worker list`.")
    return _only(found, "workers that this may mean", [str(row.id) for row in found])


OfRun = TypeVar("OfRun", Agent, Unit)


def _mine(found: OfRun, what: str, typed: str, of: TaskRun | None) -> OfRun:
    if of is not None and found.task_run_id != of.id:
        raise UnknownNameError(f"{what} {typed} belongs to another run than {of.name!r}.")
    return found


def _each_once(typed: Sequence[str], find: Callable[[str], Row], what: str, remedy: str) -> list[Row]:
    found: dict[UUID, Row] = {}
    unknown = []
    for text in typed:
        try:
            row = find(text)
        except UnknownNameError:
            unknown.append(repr(text))
        else:
            found[row.id] = row
    if unknown:
        raise UnknownNameError(f"There is no {what} {' or '.join(unknown)}. {remedy}")
    return list(found.values())


def _one_of(session: Session, table: type[Row], typed: str, what: str, remedy: str) -> Row:
    found = _by_id(session, table, typed)
    if not found:
        raise UnknownNameError(f"There is no {what} {typed!r}. {remedy}")
    return _only(found, f"{plural(what)} whose id begins with {typed!r}", [str(row.id) for row in found])


def _by_id(session: Session, table: type[Row], typed: str) -> Sequence[Row]:
    """Rows whose id begins so; a range of ids, so that the key's index serves it."""
    digits = typed.replace("-", "").lower()
    if not SHORTEST <= len(digits) <= _DIGITS or set(digits) - set("0123456789abcdef"):
        return []
    lowest, highest = UUID(digits.ljust(_DIGITS, "0")), UUID(digits.ljust(_DIGITS, "f"))
    return session.scalars(select(table).where(table.id.between(lowest, highest)).limit(LISTED)).all()


Found = TypeVar("Found")


def _only(found: Sequence[Found], what: str, names: Sequence[str]) -> Found:
    if len(found) > 1:
        raise InputError(f"There are {len(found)} {what}: {', '.join(sorted(names))}. Say which.")
    return found[0]


def _known(names: Sequence[str]) -> str:
    return ", ".join(names) + (", ..." if len(names) == LISTED else "") or "none"
