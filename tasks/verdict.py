"""The only place that decides: what came back from a vendor goes in, the operation's next state comes out.

Pure functions. A silence is never a no, and a no to a batch is not a no to its members.
"""

from dataclasses import dataclass

from models.attempt import AttemptOutcome
from models.operation import State
from models.settings import Timing
from providers.contract import Absent, Accepted, Done, Kind, Outcome, Repeat
from providers.errors import AccountError, NotSentError, ProviderError, RejectedError, ThrottledError, UnknownError


class StalledError(NotSentError):
    """Nothing was sent, because this worker was too slow; the vendor and the operation have no part in it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where an operation goes, and when it is looked at next (seconds from now)."""

    state: State
    wait: float = 0
    reason: str | None = None
    burns: bool = True
    """Whether the attempt counts against the cap."""
    alone: bool = False
    """The next send must carry this operation only."""
    untouched: bool = False
    """Nothing of it was asked of the vendor this time."""


@dataclass(frozen=True, slots=True)
class History:
    """What a read-back must know of an operation's past."""

    state: State
    refused: bool
    """The last request was refused, definitely."""
    said: str | None
    """What it was refused with."""
    throttled: bool
    """The last request was turned away for now, so its attempt does not count if nothing came of it."""
    batched: bool
    """The last request carried others too."""
    since_send: float
    """Seconds since the last send began."""
    since_first_send: float
    reads: int
    tried_for: float
    """Seconds since the first of the sends that followed each other."""


def label(outcome: Outcome) -> AttemptOutcome:
    """What an attempt that ended so is closed with."""
    match outcome:
        case Done():
            return AttemptOutcome.DONE
        case Accepted():
            return AttemptOutcome.ACCEPTED
        case ThrottledError():
            return AttemptOutcome.THROTTLED
        case AccountError():
            return AttemptOutcome.ACCOUNT
        case NotSentError():
            return AttemptOutcome.NOT_SENT
        case RejectedError():
            return AttemptOutcome.REJECTED
        case _:
            return AttemptOutcome.UNKNOWN


def back_off(timing: Timing, tried_for: float) -> float:
    """Pause before the next send: as long again as it was tried for, so that it doubles up to the longest allowed."""
    return min(timing.back_off_max, max(timing.back_off, tried_for))


def read_pause(timing: Timing, reads: int) -> float:
    """Pause before the next read: doubles from `read_every` seconds to the longest that is allowed."""
    return float(min(timing.back_off_max, timing.read_every * 2 ** min(reads, 30)))


def after_send(kind: Kind, outcome: Outcome, *, batched: bool, tried_for: float, timing: Timing) -> Verdict:
    """What a send's outcome makes of one of its operations, tried for so many seconds before."""
    again = back_off(timing, tried_for)
    match outcome:
        case ProviderError(harmless=True):
            return _before_the_effect(outcome, again, batched=batched)
        case Done():
            return Verdict(State.CONFIRMED)
        case Accepted():
            return Verdict(State.SUBMITTED, timing.read_every, "the vendor took it and has not shown the effect yet")
        case ThrottledError() if kind.repeat is not Repeat.READ_BACK:
            return _not_sent(outcome, outcome.retry_after or again)
        case ThrottledError():
            return Verdict(State.UNKNOWN, outcome.retry_after or timing.read_every, str(outcome))
        case NotSentError():
            return _not_sent(outcome, again)
        case RejectedError() if batched or kind.repeat is Repeat.ABSORBING:
            return Verdict(State.UNKNOWN, 0, str(outcome))
        case RejectedError():
            return Verdict(State.REJECTED, 0, str(outcome))
        case UnknownError() if kind.repeat is Repeat.KEYED:
            return Verdict(State.UNKNOWN, again, str(outcome))
        case Absent() | UnknownError():
            return Verdict(State.UNKNOWN, timing.read_every, str(outcome))
        case _:
            return Verdict(State.UNKNOWN, timing.read_every, f"unexpected outcome {type(outcome).__name__}")


def _not_sent(error: NotSentError, wait: float) -> Verdict:
    return Verdict(State.PLANNED, wait, str(error), burns=False, untouched=True)


def _before_the_effect(error: ProviderError, again: float, *, batched: bool) -> Verdict:
    """A step that has no effect failed; what it was refused with may be about another member."""
    match error:
        case ThrottledError():
            return _not_sent(error, error.retry_after or again)
        case NotSentError():
            return _not_sent(error, again)
        case RejectedError() if batched:
            return Verdict(State.PLANNED, 0, str(error), burns=False, alone=True, untouched=True)
        case RejectedError():
            return Verdict(State.REJECTED, 0, str(error))
        case _:
            return Verdict(State.PLANNED, again, str(error), burns=False, untouched=True)


def resend_unread(kind: Kind, history: History) -> bool:
    """Whether an unknown outcome is sent again under the same token, without a read."""
    open_window = kind.repeat is Repeat.KEYED and history.since_first_send < kind.window
    return open_window and history.state is State.UNKNOWN and not history.refused


def after_read(kind: Kind, outcome: Outcome, history: History, timing: Timing) -> Verdict:
    """What a read-back makes of an operation in doubt."""
    match outcome:
        case Done():
            return Verdict(State.CONFIRMED)
        case RejectedError():
            return Verdict(State.REJECTED, 0, str(outcome))
        case Absent():
            return _after_absent(kind, history, timing)
        case _:
            return _still_in_doubt(history, timing, str(outcome))


def _after_absent(kind: Kind, history: History, timing: Timing) -> Verdict:
    """Absence counts only when no byte of the last send can be on its way.

    Where a second effect would add to the first, it counts only when the vendor has had its time to show it.
    """
    absorbing = kind.repeat is Repeat.ABSORBING
    if history.refused and not history.batched:
        return Verdict(State.REJECTED, 0, f"{history.said} (and a read shows no effect)")
    if history.refused and absorbing:
        return Verdict(State.PLANNED, 0, "its batch was refused; sent again alone", alone=True)
    if absorbing and history.state is State.UNKNOWN:
        wait = back_off(timing, history.tried_for)
        return Verdict(State.PLANNED, wait, "a read shows no effect; sent again, which does no harm")
    if history.since_send < settle(kind, timing):
        return _still_in_doubt(history, timing, "not there yet, and too early to tell")
    if kind.resend_when_absent or absorbing:
        burns, told = not history.throttled, "settled and proven absent; sent again"
        return Verdict(State.PLANNED, 0, told, burns=burns, alone=history.refused)
    return Verdict(State.REVIEW, 0, "settled and not there, which proves nothing at this vendor")


def settle(kind: Kind, timing: Timing) -> float:
    """Seconds after which a read that shows nothing says that nothing is on its way."""
    if kind.repeat is Repeat.ABSORBING:
        return timing.lease
    return timing.pay_settle if kind.snapshot else timing.settle


def _still_in_doubt(history: History, timing: Timing, reason: str) -> Verdict:
    if history.since_send > timing.age_limit:
        return Verdict(State.REVIEW, 0, f"no conclusive answer for too long: {reason}")
    return Verdict(history.state, read_pause(timing, history.reads), reason)


def summary(outcomes: set[AttemptOutcome]) -> AttemptOutcome:
    """What a request with several members is closed with."""
    return outcomes.pop() if len(outcomes) == 1 else AttemptOutcome.MIXED
