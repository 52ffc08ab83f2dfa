"""Why a worker at the task's page does not get what they asked for, each reason by name and in words for them."""


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
    """Something else was handed in before."""


class UnknownError(RefusedError):
    """There is no such submission, as far as can be seen now."""
