"""Work that a person decides on: a run, agents or a file go in; locked agents come out, and operations that decide."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from cli import decisions, lookup, named
from cli.decisions import OUTCOME, Words
from cli.document import SHOWN, refusal
from cli.failure import InputError
from cli.named import portions
from models.agent import Agent
from models.operation import Operation
from models.plan import FALLEN, ConflictError
from models.status import AgentStatus
from models.task_run import TaskRun


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed: a run, agents of it or of any, or a file; with the words of the decision for all of it."""

    run: str | None
    agents: Sequence[str]
    file: Path | None
    words: Words

    def check(self) -> None:
        """Refuse what names no work, or names it twice.

        Raises:
            InputError: with what to type instead.
        """
        if self.file and self.agents:
            raise InputError(f"Name the work by --agent or by a file, not by both. {OUTCOME}")
        if not (self.run or self.agents or self.file):
            raise InputError(f"Say which work: --run NAME for all of a run, --agent ID, or --csv FILE. {OUTCOME}")
        if not self.file and (missing := [f"--{name}" for name, value in self.words.items() if not value]):
            raise InputError(f"This needs {' and '.join(missing)} as well. {OUTCOME}")


@dataclass(frozen=True, slots=True)
class Verdict:
    """One way to decide: how it is planned, and what its operations look like."""

    noun: str
    kind: str
    plan: Callable[..., list[Operation]]
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Piece:
    """One agent's work that is locked, with the words about it, and the line that names it in a file."""

    agent: Agent
    words: tuple[str, ...]
    line: int = 0


@dataclass(frozen=True, slots=True)
class Decided:
    """The operations, and how much work was left alone because another decision on it stands."""

    runs: Sequence[TaskRun]
    operations: Sequence[Operation]
    before: frozenset[UUID]
    """Operations that were there already."""
    left: int


def decide(session: Session, asked: Asked, verdict: Verdict) -> Decided:
    """Plan a decision on all that is asked, or on nothing.

    Raises:
        InputError: what was typed, or a line of the file, cannot be decided so.
        UnknownNameError: there is no such run or agent.
        IllegalMoveError: some work is not complete, or was decided otherwise.
    """
    asked.check()
    run = lookup.run(session, asked.run) if asked.run else None
    pieces, left = _choose(session, run, asked, verdict)
    runs = [run] if run else list({piece.agent.task_run_id: piece.agent.task_run for piece in pieces}.values())
    known = _standing(session, [piece.agent.id for piece in pieces])
    operations = _plan(pieces, verdict, asked.file)
    return Decided(runs, operations, frozenset(row.id for row in known), left)


def _choose(session: Session, run: TaskRun | None, asked: Asked, verdict: Verdict) -> tuple[list[Piece], int]:
    if asked.file:
        return _of_file(session, run, asked.file, asked.words), 0
    words = tuple(value or "" for value in asked.words.values())
    if asked.agents:
        ids = [lookup.agent(session, text, run).id for text in asked.agents]
        return [Piece(agent, words) for agent in held(session, ids).values()], 0
    complete = select(Agent.id).where(Agent.status == AgentStatus.COMPLETED)
    ids = list(session.scalars(complete.where(Agent.task_run_id == run.id))) if run else []
    agents = {key: agent for key, agent in held(session, ids).items() if agent.status is AgentStatus.COMPLETED}
    wanted = (verdict.kind, {**verdict.body, **asked.words})
    standing = [row for row in _standing(session, list(agents)) if row.state not in FALLEN]
    others = {row.agent_id for row in standing if (row.kind, row.body) != wanted}
    return [Piece(agent, words) for key, agent in agents.items() if key not in others], len(others)


def held(session: Session, ids: Sequence[UUID]) -> dict[UUID, Agent]:
    """Agents, locked in one order, so that two who decide on the same do not wait for each other in a circle."""
    found: dict[UUID, Agent] = {}
    for portion in portions(sorted(set(ids))):
        rows = select(Agent).where(Agent.id.in_(portion)).order_by(Agent.id)
        locked = rows.with_for_update(of=Agent, key_share=True).execution_options(populate_existing=True)
        found |= {agent.id: agent for agent in session.scalars(locked)}
    return found


def _standing(session: Session, agents: Sequence[UUID]) -> list[Operation]:
    found: list[Operation] = []
    for portion in portions(agents):
        decisive = (Operation.agent_id.in_(portion), Operation.kind.in_(("approve", "reject")))
        found += session.scalars(select(Operation).where(*decisive))
    return found


def _plan(pieces: Sequence[Piece], verdict: Verdict, file: Path | None) -> list[Operation]:
    alike: dict[tuple[TaskRun, tuple[str, ...]], list[Agent]] = defaultdict(list)
    for piece in pieces:
        alike[piece.agent.task_run, piece.words].append(piece.agent)
    try:
        return [row for (run, words), agents in alike.items() for row in verdict.plan(run, agents, *words)]
    except (ConflictError, ValueError) as error:
        if file is not None:
            raise refusal(list(_refused(pieces, verdict, file)), OUTCOME) from None
        raise InputError(f"{error} {OUTCOME}") from None


def _refused(pieces: Sequence[Piece], verdict: Verdict, file: Path) -> Iterator[str]:
    """Which lines are refused, found one by one, as all of it is taken back anyway."""
    refused = 0
    for piece in pieces:
        try:
            verdict.plan(piece.agent.task_run, [piece.agent], *piece.words)
        except (ConflictError, ValueError) as error:
            yield f"{file} line {piece.line}: {error}"
            refused += 1
        if refused > SHOWN:
            return


def _of_file(session: Session, run: TaskRun | None, file: Path, words: Words) -> list[Piece]:
    found = named.find(session, run, file, decisions.read(file, words))
    agents = held(session, [key for key, _ in found])
    return [Piece(agents[key], row.words, row.line) for key, row in found]
