"""Compares what we hold with what a vendor lists: two values in, the changes out. Pure.

A stale page never undoes a decision, and what cannot be explained is named, not written.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from models.discrepancy import Finding
from models.status import AGENT_MOVES, UNIT_OF_AGENT, AgentStatus
from providers.contract import Observation

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Move:
    """An agent whose status the vendor shows otherwise; written only if it is still `old`."""

    submission: str
    old: AgentStatus
    new: AgentStatus
    proves: bool = True
    """Whether it proves what we asked for: a partial payment is no approval of ours."""


@dataclass(frozen=True, slots=True)
class Strange:
    """Something that a person should see."""

    submission: str
    finding: Finding
    detail: str


@dataclass(slots=True)
class Changes:
    """What a listing says that we do not hold yet."""

    new: list[Observation] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    strange: list[Strange] = field(default_factory=list)


PORTION = 2000
"""Changes that are written at once."""
_AT_WORK = (AgentStatus.NONE, AgentStatus.ACCEPTED, AgentStatus.ONBOARDING, AgentStatus.WAITING, AgentStatus.IN_TASK)
_DECIDED = (AgentStatus.APPROVED, AgentStatus.SOFT_REJECTED, AgentStatus.REJECTED)


def _progress(status: AgentStatus) -> int:
    """How far along a status is: at work in this order, over, decided."""
    if status in _AT_WORK:
        return _AT_WORK.index(status)
    return len(_AT_WORK) + (status in _DECIDED)


def diff(known: Mapping[str, AgentStatus], seen: Iterable[Observation]) -> Changes:
    """What changed, given the status of every submission that we know; a repeated row counts once, the last wins.

    Rows that tell nothing new are not kept, so `seen` may be of any length.
    """
    news: dict[str, Observation] = {}
    for row in seen:
        if row.status is not None and row.status == known.get(row.submission_id):
            news.pop(row.submission_id, None)
        else:
            news[row.submission_id] = row
    changes = Changes()
    for submission, row in news.items():
        old = known.get(submission)
        if row.status is None:
            _unmapped(changes, row)
        elif old is None:
            changes.new.append(row)
        else:
            _moved(changes, row, old, row.status)
    return changes


def portions(changes: Changes) -> Iterator[Changes]:
    """The same changes, a few at a time, in the order in which they are to be written.

    Who left comes first and gives the unit back, and who is new comes after everybody else: for whoever took the place.
    """
    moves = sorted(changes.moves, key=lambda move: UNIT_OF_AGENT[move.new] is not None)
    yield from (Changes(moves=rows) for rows in _cut(moves))
    yield from (Changes(new=rows) for rows in _cut(changes.new))
    yield from (Changes(strange=rows) for rows in _cut(changes.strange))


def _cut(rows: list[Row]) -> Iterator[list[Row]]:
    return (rows[start : start + PORTION] for start in range(0, len(rows), PORTION))


def _unmapped(changes: Changes, row: Observation) -> None:
    if not row.transient:
        told = f"the vendor uses the status word {row.word!r}, which means nothing here"
        changes.strange.append(Strange(row.submission_id, Finding.UNKNOWN_WORD, told))


def _moved(changes: Changes, row: Observation, old: AgentStatus, new: AgentStatus) -> None:
    if new in AGENT_MOVES[old]:
        changes.moves.append(Move(row.submission_id, old, new, proves=not row.partial))
    elif _progress(new) >= _progress(old) and (old, new) != (AgentStatus.SOFT_REJECTED, AgentStatus.APPROVED):
        told = f"the vendor shows {new}, which {old} may not become"
        changes.strange.append(Strange(row.submission_id, Finding.ILLEGAL_STATUS, told))
