"""What the simulator really did: each change of state that a call caused becomes one effect, never altered.

Calls that changed nothing are not here; they are in the call log.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effect:
    """One change of state that a call to the API caused, at once or a moment later."""

    n: int
    """Counts from 1."""
    at: str
    """Virtual time."""
    kind: str
    study: str | None
    """None when the effect is on a participant group, or a message to one."""
    submission: str | None
    amount_minor: int | None
    """Newly reserved with fees and VAT (published, places set), or what the participant got (approved, screened out,
    bonus paid).
    """
    currency: str
    places: int | None
    """The study's places after the effect; None when the effect is on something else than a study."""
    internal_name: str | None
    group: str | None
    participants: tuple[str, ...]
    """Whom a change of membership really added or removed, or the one who got a message."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call to the API, whatever became of it."""

    n: int
    at: str
    endpoint: str
    path: str
    """What was asked for, without the query."""
    status: int | None
    """None when the caller got no answer."""
    fault: str | None
