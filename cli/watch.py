"""How far a run is: its id goes in, one frozen snapshot comes out; and the bars or lines that show a row of them."""

import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import UUID

from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bars
from rich.text import Text
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cli import console, pause
from cli.pause import Pause
from models.agent import Agent
from models.operation import FINAL, Operation, State
from models.requester import Requester
from models.session import transaction
from models.status import COMPLETED, AgentStatus, UnitStatus
from models.task_run import TaskRun
from models.unit import Unit
from tasks import pacing

EVERY = 1.0
"""Seconds between two looks."""
NUMBERS = ("total", "launched", "at_work", "submitted", "approved", "open", "review")
"""What progress is measured by."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One run at one moment, counted."""

    run_id: UUID
    name: str
    is_completed: bool
    paused: Pause | None
    """Why its account is paused, if it is."""
    units: Mapping[UnitStatus, int] = field(default_factory=dict)
    agents: Mapping[AgentStatus, int] = field(default_factory=dict)
    operations: Mapping[str, Mapping[State, int]] = field(default_factory=dict)
    """By kind and state."""

    @property
    def total(self) -> int:
        """Units in all."""
        return sum(self.units.values())

    @property
    def launched(self) -> int:
        """Units that the crowd could see, now or before."""
        return self.total - self.units.get(UnitStatus.CREATED, 0)

    @property
    def at_work(self) -> int:
        """Units that somebody works on now."""
        return self.units.get(UnitStatus.ASSIGNED, 0)

    @property
    def submitted(self) -> int:
        """Units whose work came back, whatever was decided then."""
        return sum(self.units.get(status, 0) for status in COMPLETED)

    @property
    def approved(self) -> int:
        """Units whose work was accepted."""
        return self.units.get(UnitStatus.ACCEPTED, 0)

    @property
    def open(self) -> int:
        """Operations that are not over."""
        return sum(number for state, number in self._states() if state not in FINAL)

    @property
    def approving(self) -> int:
        """Approvals that are asked for and not over."""
        return sum(number for state, number in self.operations.get("approve", {}).items() if state not in FINAL)

    @property
    def review(self) -> int:
        """Operations that wait for a person."""
        return sum(number for state, number in self._states() if state is State.REVIEW)

    @property
    def bonuses(self) -> tuple[int, int]:
        """How many bonuses were paid, and how many were planned in all."""
        states = self.operations.get("bonus", {})
        return states.get(State.CONFIRMED, 0), sum(states.values())

    def _states(self) -> list[tuple[State, int]]:
        return [pair for states in self.operations.values() for pair in states.items()]

    def numbers(self) -> dict[str, int]:
        """The `NUMBERS` by their names."""
        return {name: getattr(self, name) for name in NUMBERS}


def snapshot(session: Session, run_id: UUID) -> Snapshot:
    """Count one run."""
    return snapshots(session, [run_id])[0]


def snapshots(session: Session, run_ids: Sequence[UUID]) -> list[Snapshot]:
    """Count several runs, in this order, with one query a table."""
    operations: dict[UUID, dict[str, dict[State, int]]] = defaultdict(lambda: defaultdict(dict))
    for run_id, parts in _counted(session, Operation.run_id, run_ids, Operation.kind, Operation.state).items():
        for (kind, state), number in parts.items():
            operations[run_id][kind][state] = number
    # After the operations: what a finished one did is there by then.
    units = _counted(session, Unit.task_run_id, run_ids, Unit.status)
    agents = _counted(session, Agent.task_run_id, run_ids, Agent.status)
    accounts = select(TaskRun.id, Requester).join(Requester, Requester.id == TaskRun.requester_id)
    paused = accounts.where(TaskRun.id.in_(run_ids), ~pacing.is_open(Requester.id))
    pauses = {run_id: pause.made(account) for run_id, account in session.execute(paused)}
    runs = {run.id: run for run in session.scalars(select(TaskRun).where(TaskRun.id.in_(run_ids)))}
    return [
        Snapshot(
            run_id=run_id,
            name=runs[run_id].name,
            is_completed=runs[run_id].is_completed,
            paused=pauses.get(run_id),
            units={status: units[run_id][status,] for status in UnitStatus if (status,) in units[run_id]},
            agents={status: agents[run_id][status,] for status in AgentStatus if (status,) in agents[run_id]},
            operations=operations[run_id],
        )
        for run_id in run_ids
    ]


def _counted(session: Session, run: Any, run_ids: Sequence[UUID], *by: Any) -> Any:  # noqa: ANN401 - columns
    """Numbers of rows by run, and in it by the values of some columns."""
    counts: dict[UUID, dict[Any, int]] = defaultdict(dict)
    first = func.min(run.table.c.created_at)
    rows = select(run, *by, func.count()).where(run.in_(run_ids)).group_by(run, *by).order_by(first)
    for run_id, *values, number in session.execute(rows):
        counts[run_id][tuple(values)] = number
    return counts


class Progress:
    """Shows runs again and again: moving bars in a terminal; else a line, or JSON, whenever something changed."""

    def __init__(self, *, as_json: bool = False) -> None:
        """Show nothing yet."""
        self._as_json = as_json
        self._last: dict[UUID, tuple[object, ...]] = {}
        self._bars: dict[UUID, Bars] = {}
        self._live = None if as_json or not sys.stdout.isatty() else Live(auto_refresh=False)

    def __enter__(self) -> Self:
        """Take the terminal, if there is one."""
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the last picture where it is."""
        if self._live is not None:
            self._live.stop()

    def show(self, *runs: Snapshot) -> None:
        """Show where they stand now."""
        if self._live is not None:
            self._live.update(Group(*map(self._picture, runs)), refresh=True)
            return
        for seen in runs:
            now = (seen.numbers(), seen.is_completed, seen.paused)
            if now != self._last.get(seen.run_id):
                _print(seen, as_json=self._as_json)
            self._last[seen.run_id] = now

    def say(self, line: str) -> None:
        """Print a line above the bars."""
        if self._live is not None:
            self._live.console.print(Text(line))
        else:
            console.say(line)

    def _picture(self, seen: Snapshot) -> Group:
        bars = self._bars.setdefault(seen.run_id, _bars())
        for task in bars.tasks:
            done = getattr(seen, task.description.replace(" ", "_"))
            bars.update(task.id, completed=done, total=seen.total)
        return Group(Text(seen.name, style="bold"), bars, *(Text(line) for line in _notes(seen)))


def _bars() -> Bars:
    made = Bars(TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn())
    for name in ("launched", "at work", "submitted", "approved"):
        made.add_task(name, total=None)
    return made


def _notes(seen: Snapshot) -> list[str]:
    """What a person should know besides the numbers."""
    notes = [f"{console.counted(seen.open, 'operation')} open, {seen.review} for a person to decide"]
    paid, planned = seen.bonuses
    if planned:
        notes.append(f"{paid} of {console.counted(planned, 'bonus')} paid")
    if seen.review:
        notes.append(f"Decide with `crowdops ops list --state review --run {seen.run_id}`.")
    if seen.paused is not None:
        notes.append(seen.paused.told)
    return [*notes, "The run is completed."] if seen.is_completed else notes


def _print(seen: Snapshot, *, as_json: bool) -> None:
    if as_json:
        paused = seen.paused.reason if seen.paused is not None else None
        console.line_of_json({"run": seen.run_id, **seen.numbers(), "completed": seen.is_completed, "paused": paused})
        return
    crowd = f"{seen.launched} of {seen.total} launched, {seen.at_work} at work, {seen.submitted} submitted"
    console.say("; ".join([f"{seen.name}: {crowd}, {seen.approved} approved", *_notes(seen)]))


def follow(run_id: UUID, *, as_json: bool = False) -> None:
    """Show a run until it is completed, or until Ctrl-C."""
    with suppress(KeyboardInterrupt), Progress(as_json=as_json) as progress:
        while True:
            with transaction() as session:
                seen = snapshot(session, run_id)
            progress.show(seen)
            if seen.is_completed:
                return
            time.sleep(EVERY)
