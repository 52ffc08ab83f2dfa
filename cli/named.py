"""Rows of a file that name work go in; the ids of their agents come out, with few queries, or what is wrong."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session

from cli import lookup
from cli.decisions import OUTCOME, Row
from cli.document import refusal
from cli.failure import InputError, UnknownNameError
from models import bulk
from models.agent import Agent
from models.plan import AT_ONCE
from models.task_run import TaskRun

Value = TypeVar("Value")
_SHOWN = 40


def find(session: Session, run: TaskRun | None, file: Path, rows: Sequence[Row]) -> list[tuple[UUID, Row]]:
    """The agent of each row, of one run if there is one.

    Raises:
        InputError: with the line of every row that names no agent, several, or one that another row names.
    """
    found: dict[UUID, Row] = {}
    problems = []
    for row, key in matched(session, run, rows):
        if isinstance(key, str):
            problems.append(f"{file} line {row.line}: {key}")
        elif (before := found.setdefault(key, row)) is not row:
            problems.append(f"{file} line {row.line}: names the same work as line {before.line}")
    if problems:
        raise refusal(problems, OUTCOME)
    return list(found.items())


def matched(session: Session, run: TaskRun | None, rows: Sequence[Row]) -> Iterator[tuple[Row, UUID | str]]:
    """Each row with its agent, of one run if there is one, or with what is wrong with it."""
    ids = _agents(session, run, Agent.id, [key for row in rows if (key := _whole(row.agent))])
    submissions = _agents(session, run, Agent.submission, [row.submission for row in rows if not row.agent])
    for row in rows:
        try:
            yield row, _of_row(session, run, row, ids, submissions)
        except (InputError, UnknownNameError) as error:
            yield row, str(error)


def portions(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    """Values in as many as one query takes."""
    for start in range(0, len(values), AT_ONCE):
        yield values[start : start + AT_ONCE]


class _Known(NamedTuple):
    """An agent, as far as it is needed."""

    id: UUID
    submission: str

    @classmethod
    def of(cls, agent: Agent) -> "_Known":
        return cls(agent.id, agent.submission)


Agents = Mapping[object, Sequence[_Known]]


def _agents(
    session: Session, run: TaskRun | None, column: InstrumentedAttribute[Value], values: Sequence[Value]
) -> Agents:
    """Agents by the value of a column."""
    found: dict[object, list[_Known]] = defaultdict(list)
    for portion in portions(values):
        named = select(Agent.id, Agent.submission).where(bulk.among(column, portion))
        for row in session.execute(named.where(Agent.task_run_id == run.id) if run else named):
            found[getattr(row, column.key)].append(_Known(*row))
    return found


def _of_row(session: Session, run: TaskRun | None, row: Row, ids: Agents, submissions: Agents) -> UUID:
    if not row.agent:
        return _of_submission(run, row.submission, submissions.get(row.submission, ()))
    known = ids.get(_whole(row.agent))
    agent = known[0] if known else _Known.of(lookup.agent(session, row.agent, run))
    if row.submission and agent.submission != row.submission:
        raise InputError(f"agent {row.agent} has another submission than {row.submission}")
    return agent.id


def _of_submission(run: TaskRun | None, submission: str, agents: Sequence[_Known]) -> UUID:
    if len(agents) > 1:
        raise InputError(f"several accounts have a submission {submission}: say which run with --run")
    if not agents:
        where = f"the run {run.name!r} has" if run else "there is"
        raise UnknownNameError(f"{where} no submission {_printable(submission)}")
    return agents[0].id


def _printable(typed: str) -> str:
    """A file may hold anything where an id should be."""
    return typed if typed.isalnum() else repr(typed[:_SHOWN])


def _whole(typed: str) -> UUID | None:
    try:
        return UUID(typed)
    except ValueError:
        return None
