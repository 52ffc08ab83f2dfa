"""A run's work goes in; one row an agent, and one a unit that nobody has, go out as JSON Lines or CSV as they are read.

A text that a spreadsheet would take for a formula gets an apostrophe before it in CSV; JSON Lines has it as it is.
"""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TextIO
from uuid import UUID

import typer
from sqlalchemy import Select, func, null, select
from sqlalchemy.orm import Session

from cli.console import plain
from models.agent import Agent
from models.assignment import Assignment
from models.unit import Unit
from models.worker import Worker

COLUMNS = (
    *("unit", "assignment", "copy", "unit_status", "agent", "submission", "status"),
    *("first_seen_at", "submitted_at", "seconds", "worker"),
)
DATA = ("input", "answer")
PREFIXES = tuple(f"{name}." for name in DATA)
"""What the columns of CSV begin with that hold a unit's data, and what was handed in."""
_AT_ONCE = 500
_FORMULA = tuple("=+-@\t\r\n")


class Format(StrEnum):
    """How rows are written."""

    JSONL = "jsonl"
    CSV = "csv"


Wanted = Annotated[
    Format | None, typer.Option("--format", help="How rows are written; jsonl, unless the file's name ends with .csv.")
]
Output = Annotated[Path | None, typer.Option("--output", metavar="FILE", help="Where to, if not to the screen.")]


def style(wanted: Format | None, file: Path | None) -> Format:
    """How rows are written: as is wanted, else as the file's name says."""
    return wanted or (Format.CSV if file is not None and file.suffix.lower() == ".csv" else Format.JSONL)


def snapshot(session: Session) -> None:
    """Have every query of a transaction see the same moment; it must be the transaction's first."""
    session.connection(execution_options={"isolation_level": "REPEATABLE READ"})


def write(session: Session, run: UUID, stream: TextIO, wanted: Format, *, workers: bool) -> int:
    """Write a run's rows to a stream; how many they were."""
    names = [name for name in COLUMNS if workers or name != "worker"]
    found = _rows(session, run, [*names, *DATA])
    return (_csv if wanted is Format.CSV else _json_lines)(session, run, stream, names, found)


def _rows(session: Session, run: UUID, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    for query in (_worked(run), _nobodys(run)):
        for row in session.execute(query, execution_options={"yield_per": _AT_ONCE}).mappings():
            first, last = row["first_seen_at"], row["submitted_at"]
            seconds = round((last - first).total_seconds(), 3) if first and last else None
            yield {name: seconds if name == "seconds" else row[name] for name in names}


_OF_UNIT = (
    Unit.id.label("unit"),
    Assignment.index.label("assignment"),
    Unit.index.label("copy"),
    Unit.status.label("unit_status"),
    Assignment.data.label("input"),
)
_ORDER = (Assignment.index, Unit.index < 0, Unit.index, Unit.id)


def _worked(run: UUID) -> Select[Any]:
    """Everybody who had a unit, or left before they got one."""
    of_agent = (
        Agent.id.label("agent"),
        Agent.submission,
        Agent.status,
        Agent.created_at.label("first_seen_at"),
        Agent.submitted_at,
        Worker.name.label("worker"),
        Agent.data.label("answer"),
    )
    joined = select(*_OF_UNIT, *of_agent).join_from(Agent, Worker, Worker.id == Agent.worker_id)
    joined = joined.outerjoin(Unit, Unit.id == Agent.unit_id).outerjoin(Assignment, Assignment.id == Unit.assignment_id)
    return joined.where(Agent.task_run_id == run).order_by(*_ORDER, Agent.created_at, Agent.id)


def _nobodys(run: UUID) -> Select[Any]:
    names = ("agent", "submission", "status", "first_seen_at", "submitted_at", "worker", "answer")
    joined = select(*_OF_UNIT, *(null().label(name) for name in names)).join_from(Unit, Assignment)
    return joined.where(Unit.task_run_id == run, Unit.agent_id.is_(None)).order_by(*_ORDER)


def _json_lines(
    _session: Session, _run: UUID, stream: TextIO, _names: Sequence[str], rows: Iterator[Mapping[str, Any]]
) -> int:
    number = 0
    for row in rows:
        stream.write(json.dumps(row, ensure_ascii=False, default=plain) + "\n")
        number += 1
    return number


def _csv(session: Session, run: UUID, stream: TextIO, names: Sequence[str], rows: Iterator[Mapping[str, Any]]) -> int:
    keys = {"input": _keys(session, run, Assignment), "answer": _keys(session, run, Agent)}
    writer = csv.writer(stream)
    writer.writerow([*names, *(f"{part}.{key}" for part in DATA for key in keys[part])])
    number = 0
    for row in rows:
        nested = [(row[part] or {}).get(key) for part in DATA for key in keys[part]]
        writer.writerow([cell(value) for value in (*(row[name] for name in names), *nested)])
        number += 1
    return number


def _keys(session: Session, run: UUID, table: type[Assignment | Agent]) -> Sequence[str]:
    """Every key at the top of a run's data, known before the first row is written."""
    key = func.jsonb_object_keys(table.data)
    objects = (table.task_run_id == run, func.jsonb_typeof(table.data) == "object")
    return session.scalars(select(key).where(*objects).distinct().order_by(key)).all()


def cell(value: object) -> str:
    """A value as a cell of CSV, which no spreadsheet takes for a formula."""
    match value:
        case None:
            return ""
        case str():
            return f"'{value}" if value.startswith(_FORMULA) else str(value)
        case bool() | int() | float() | list() | dict():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(plain(value))
