"""The words for where a unit, an assignment or an agent stands, their sets, and which moves are legal.

Names and sets are those of Mephisto's abstraction. The diagrams are tables: what is not listed is refused.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TypeVar


class UnitStatus(StrEnum):
    """Where one unit of work stands."""

    CREATED = "created"
    LAUNCHED = "launched"
    ASSIGNED = "assigned"
    COMPLETED = "completed"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    SOFT_REJECTED = "soft_rejected"
    EXPIRED = "expired"


class AssignmentStatus(StrEnum):
    """Where an assignment stands: what its units agree on, or `mixed`."""

    CREATED = "created"
    LAUNCHED = "launched"
    ASSIGNED = "assigned"
    COMPLETED = "completed"
    ACCEPTED = "accepted"
    MIXED = "mixed"
    REJECTED = "rejected"
    SOFT_REJECTED = "soft_rejected"
    EXPIRED = "expired"


class AgentStatus(StrEnum):
    """Where one worker's attempt at a unit stands."""

    NONE = "none"
    ACCEPTED = "accepted"
    ONBOARDING = "onboarding"
    WAITING = "waiting"
    IN_TASK = "in task"
    COMPLETED = "completed"
    DISCONNECT = "disconnect"
    TIMEOUT = "timeout"
    PARTNER_DISCONNECT = "partner disconnect"
    EXPIRED = "expired"
    RETURNED = "returned"
    APPROVED = "approved"
    SOFT_REJECTED = "soft_rejected"
    REJECTED = "rejected"


_U = UnitStatus
_S = AssignmentStatus
_A = AgentStatus

INCOMPLETE = frozenset({_U.CREATED, _U.LAUNCHED, _U.ASSIGNED})
PAYABLE = frozenset({_U.LAUNCHED, _U.ASSIGNED, _U.COMPLETED, _U.ACCEPTED, _U.SOFT_REJECTED})
#: A rejection is not final: it may be overturned.
FINAL_UNIT = frozenset({_U.ACCEPTED, _U.EXPIRED, _U.SOFT_REJECTED})
COMPLETED = frozenset({_U.COMPLETED, _U.ACCEPTED, _U.REJECTED, _U.SOFT_REJECTED})
FINAL_AGENT = COMPLETED | {_U.EXPIRED}
REVIEWED = frozenset({_U.ACCEPTED, _U.REJECTED, _U.SOFT_REJECTED})

_ABSENT = frozenset({_A.DISCONNECT, _A.TIMEOUT, _A.PARTNER_DISCONNECT, _A.EXPIRED, _A.RETURNED})
_DECIDED = frozenset({_A.APPROVED, _A.SOFT_REJECTED, _A.REJECTED})
AGENT_LIVE = frozenset({_A.NONE, _A.ACCEPTED, _A.ONBOARDING, _A.WAITING, _A.IN_TASK})
AGENT_COMPLETE = (_ABSENT - {_A.PARTNER_DISCONNECT}) | _DECIDED | {_A.COMPLETED}
AGENT_IMMUTABLE = AGENT_COMPLETE - {_A.COMPLETED, _A.REJECTED}
AGENT_SETTLED = frozenset({_A.RETURNED, _A.EXPIRED, _A.DISCONNECT}) | _DECIDED
"""The vendor's side is over and is not read again; a time-out is not, for late completions come back."""

#: What an agent's status makes of the unit that it holds; None gives the unit back to the crowd.
UNIT_OF_AGENT: Mapping[AgentStatus, UnitStatus | None] = {
    _A.NONE: _U.ASSIGNED,
    _A.ACCEPTED: _U.ASSIGNED,
    _A.ONBOARDING: _U.ASSIGNED,
    _A.WAITING: _U.ASSIGNED,
    _A.IN_TASK: _U.ASSIGNED,
    _A.PARTNER_DISCONNECT: _U.ASSIGNED,
    _A.COMPLETED: _U.COMPLETED,
    _A.DISCONNECT: None,
    _A.TIMEOUT: None,
    _A.RETURNED: None,
    _A.EXPIRED: _U.EXPIRED,
    _A.APPROVED: _U.ACCEPTED,
    _A.SOFT_REJECTED: _U.SOFT_REJECTED,
    _A.REJECTED: _U.REJECTED,
}

#: A decision may be seen before the completion was (assigned -> accepted), since the vendor is polled;
#: a completed unit goes back to the crowd when the worker returns it on request.
UNIT_MOVES: Mapping[UnitStatus, frozenset[UnitStatus]] = {
    _U.CREATED: frozenset({_U.LAUNCHED, _U.EXPIRED}),
    _U.LAUNCHED: frozenset({_U.ASSIGNED, _U.EXPIRED}),
    _U.ASSIGNED: frozenset({_U.LAUNCHED, _U.EXPIRED}) | COMPLETED,
    _U.COMPLETED: frozenset({_U.LAUNCHED, _U.EXPIRED}) | REVIEWED,
    _U.REJECTED: frozenset({_U.ACCEPTED, _U.SOFT_REJECTED, _U.CREATED}),
    _U.SOFT_REJECTED: frozenset({_U.CREATED}),
    _U.EXPIRED: frozenset({_U.CREATED}),
    _U.ACCEPTED: frozenset(),
}

AGENT_MOVES: Mapping[AgentStatus, frozenset[AgentStatus]] = {
    _A.NONE: (AGENT_LIVE - {_A.NONE}) | {_A.COMPLETED} | _ABSENT | _DECIDED,
    _A.ACCEPTED: frozenset({_A.ONBOARDING, _A.WAITING, _A.IN_TASK, _A.COMPLETED}) | _ABSENT | _DECIDED,
    _A.ONBOARDING: frozenset({_A.WAITING, _A.IN_TASK, _A.COMPLETED}) | _ABSENT | _DECIDED,
    _A.WAITING: frozenset({_A.IN_TASK, _A.COMPLETED}) | _ABSENT | _DECIDED,
    _A.IN_TASK: frozenset({_A.COMPLETED}) | _ABSENT | _DECIDED,
    _A.COMPLETED: frozenset({_A.RETURNED}) | _DECIDED,
    _A.PARTNER_DISCONNECT: frozenset({_A.COMPLETED, _A.EXPIRED, _A.RETURNED}) | _DECIDED,
    _A.TIMEOUT: frozenset({_A.COMPLETED, _A.RETURNED}) | _DECIDED,
    _A.REJECTED: frozenset({_A.APPROVED, _A.SOFT_REJECTED}),
    _A.DISCONNECT: frozenset(),
    _A.EXPIRED: frozenset(),
    _A.RETURNED: frozenset(),
    _A.APPROVED: frozenset(),
    _A.SOFT_REJECTED: frozenset(),
}


class IllegalMoveError(ValueError):
    """A status was about to change in a way that its table does not allow; nothing was changed."""


Status = TypeVar("Status", bound=StrEnum)


def check_move(moves: Mapping[Status, frozenset[Status]], old: Status | None, new: Status) -> Status:
    """Return `new` if a row in `old` may become it; staying put is always allowed.

    Raises:
        IllegalMoveError: the table does not list the move.
    """
    if old is not None and new != old and new not in moves[old]:
        allowed = ", ".join(sorted(moves[old])) or "nothing, it is final"
        raise IllegalMoveError(
            f"{type(new).__name__} cannot go from {old} to {new}; from {old} it may become {allowed}."
        )
    return new


def unit_after(unit: UnitStatus, agent: AgentStatus, *, stopped: bool) -> UnitStatus:
    """What the unit that an agent has becomes with it; given back, it waits for somebody else unless nobody may come.

    Raises:
        IllegalMoveError: the table of units does not list the move.
    """
    back = UnitStatus.EXPIRED if stopped else UnitStatus.LAUNCHED
    return check_move(UNIT_MOVES, unit, UNIT_OF_AGENT[agent] or back)


def assignment_status(units: Iterable[UnitStatus]) -> AssignmentStatus:
    """What the units of an assignment amount to; the least advanced open unit decides, decisions may be mixed."""
    present = set(units)
    if not present:
        return _S.CREATED
    if len(present) == 1:
        return _S(present.pop())
    for status in (_U.CREATED, _U.LAUNCHED, _U.ASSIGNED):
        if status in present:
            return _S(status)
    return _S.MIXED if present <= {_U.ACCEPTED, _U.REJECTED} else _S.COMPLETED


def _assignment_moves() -> Mapping[AssignmentStatus, frozenset[AssignmentStatus]]:
    """Every change of an assignment that one legal move of one unit can cause (two units show them all)."""
    moves: dict[AssignmentStatus, set[AssignmentStatus]] = {status: set() for status in _S}
    for others in ([], *([other] for other in _U), *([a, b] for a in _U for b in _U)):
        for old, targets in UNIT_MOVES.items():
            for new in targets:
                moves[assignment_status([old, *others])].add(assignment_status([new, *others]))
    return {status: frozenset(targets - {status}) for status, targets in moves.items()}


ASSIGNMENT_MOVES = _assignment_moves()
