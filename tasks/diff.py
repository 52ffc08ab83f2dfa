"""Compares what we hold with what a vendor lists: two values in, the changes out. Pure.

A stale page never undoes a decision, and what cannot be explained is named, not written.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from models.discrepancy import Finding
from models.status import AGENT_MOVES, AgentStatus
from providers.contract import Observation


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


_AT_WORK = (AgentStatus.NONE, AgentStatus.ACCEPTED, AgentStatus.ONBOARDING, AgentStatus.WAITING, AgentStatus.IN_TASK)
_DECIDED = (AgentStatus.APPROVED, AgentStatus.SOFT_REJECTED, AgentStatus.REJECTED)


def _progress(status: AgentStatus) -> int:
    """How far along a status is: at work in this order, over, decided."""
    if status in _AT_WORK:
        return _AT_WORK.index(status)
    return len(_AT_WORK) + (status in _DECIDED)


def diff(known: Mapping[str, AgentStatus], seen: Iterable[Observation]) -> Changes:
    """What changed, given the status of every submission that we know; a repeated row counts once, the last wins."""
    changes = Changes()
    for submission, row in {row.submission_id: row for row in seen}.items():
        old = known.get(submission)
        if row.status is None:
            _unmapped(changes, row)
        elif old is None:
            changes.new.append(row)
        elif row.status != old:
            _moved(changes, row, old, row.status)
    return changes


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
