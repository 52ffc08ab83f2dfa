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
    study: str
    submission: str | None
    amount_minor: int | None
    """Newly reserved with fees and VAT (published, places set), or what the participant got (approved)."""
    currency: str
    places: int | None
    """The study's places after the effect; None when the effect is on a submission."""
    internal_name: str | None


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
