"""Redis as kombu speaks it, but for a worker that outlives its broker, and garbage in a queue.

Both would end the worker: kombu gives messages back over a connection that it has forgotten already, and it expects
nothing else than messages in a queue.
"""

import logging
from queue import Empty
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis

log = logging.getLogger(__name__)


class Channel(redis.Channel):
    """Drops what is no message."""

    def _brpop_read(self, **options: Any) -> Any:  # noqa: ANN401 - the signature of kombu
        try:
            return redis.Channel._brpop_read(self, **options)  # noqa: SLF001 - it is our own; `super` hides its types
        except (ValueError, TypeError, KeyError) as error:
            log.error("What stood in a queue is no message (%s); it was dropped.", type(error).__name__)  # noqa: TRY400 - where it was read tells nothing
            raise Empty from None


class Transport(redis.Transport):
    """Takes a forgotten connection for a lost one, so that the worker connects again."""

    Channel = Channel
    connection_errors = (*redis.Transport.connection_errors, AttributeError)


def install() -> None:
    """Let every ``redis`` URL of this process be spoken so."""
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), f"{__name__}:{Transport.__qualname__}"))
