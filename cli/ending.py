"""Being told to end: a signal goes in at any moment, and comes out where it does no harm, never inside a query."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_told: list[int] = []


@contextmanager
def listening(*signals: signal.Signals) -> Iterator[None]:
    """Note these signals from now on instead of obeying them at once."""
    before = {number: signal.signal(number, lambda told, _: _told.append(told)) for number in signals}
    try:
        yield
    finally:
        _told[:] = [number for number in _told if number not in before]
        for number, handler in before.items():
            signal.signal(number, handler)


def told() -> bool:
    """Whether one has come."""
    return bool(_told)


def heed() -> None:
    """End here if one has come, with the exit status that a shell gives to whoever dies of it."""
    if _told:
        sys.exit(128 + _told[0])
