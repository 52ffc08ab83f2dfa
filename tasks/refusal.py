"""Why a worker at the task's page does not get what they asked for, each reason by name and in words for them."""

from collections.abc import Mapping

from models.status import AgentStatus

_ENDED: Mapping[AgentStatus, str] = {
    AgentStatus.RETURNED: "was returned",
    AgentStatus.TIMEOUT: "has run out of time",
    AgentStatus.COMPLETED: "is complete",
    AgentStatus.APPROVED: "has been reviewed",
    AgentStatus.SOFT_REJECTED: "has been reviewed",
    AgentStatus.REJECTED: "has been reviewed",
}
"""How it ended, for the eyes of its worker: what was decided is told at the vendor, and by nobody else."""


class RefusedError(Exception):
    """A worker does not get what they asked for; the message says why."""


class NotTheirsError(RefusedError):
    """The submission is somebody else's."""


class WrongTokenError(RefusedError):
    """Whoever hands in does not show what was given to whoever arrived."""


class OverError(RefusedError):
    """The submission is over or settled, so there is nothing to do for it."""


class SecondUnitError(RefusedError):
    """The worker has as much work of the run as one worker may have."""


class WrongCodeError(RefusedError):
    """The completion code is none of the run's."""


class ConflictError(RefusedError):
    """Something else was handed in before; `redirect` is where whoever did so goes next."""

    def __init__(self, message: str, redirect: str | None) -> None:
        """Keep where to go."""
        super().__init__(message)
        self.redirect = redirect


class UnknownError(RefusedError):
    """There is no such submission, as far as can be seen now."""


class PausedError(RefusedError):
    """The account is paused, so its vendor is not asked about anybody new; a person has to see to it, or time."""


class BusyError(RefusedError):
    """There is too much to do for the account at this moment."""


def over(status: AgentStatus, consequence: str) -> OverError:
    """The refusal for a submission that ended so."""
    return OverError(f"This submission {_ENDED.get(status, 'is over')}, so {consequence}.")
