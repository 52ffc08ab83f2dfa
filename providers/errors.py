"""What can go wrong with a vendor call, named by what the caller must do next.

ProviderError
├── NotSentError     nothing reached the vendor: send again later
│   ├── ThrottledError   the vendor asked for patience: send again, and burn no attempt
│   └── AccountError     the credential or the funds are no good: pause the account and tell a person
├── RejectedError    the vendor said no, and means it
└── UnknownError     no readable answer: the effect may have happened, so read before anything else
"""


class ProviderError(Exception):
    """Base of everything a provider raises; the message must hold no secret and no worker id."""

    harmless = False
    """It came of a step before the effect, such as a set-up: whatever the vendor made of that, nothing has happened."""


class NotSentError(ProviderError):
    """Proven: the vendor did not act on the request, and the same request may be sent later."""


class ThrottledError(NotSentError):
    """The vendor wants fewer requests."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        """Keep how many seconds the vendor asked for, if it said so."""
        super().__init__(message)
        self.retry_after = retry_after


class AccountError(NotSentError):
    """The account cannot be used until a person mends it: bad token, no permission, no funds."""


class RejectedError(ProviderError):
    """A well-formed refusal: repeating the same request would be refused again."""


class UnknownError(ProviderError):
    """Timeout, reset, 5xx, redirect or an unreadable answer: nothing is decided from it."""


def harmless(error: ProviderError) -> ProviderError:
    """Mark what came of a step that has no effect by itself, so that nobody looks for one."""
    error.harmless = True
    return error
