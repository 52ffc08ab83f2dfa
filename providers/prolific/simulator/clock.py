"""Virtual time: real time goes in, many times faster it comes out, and what is due runs in the order of its time.

An action that runs late on a slow machine still sees the moment it was planned for, so effects keep their order.
"""

import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from time import monotonic


class Clock:
    """Counts virtual seconds; with speed 0 time moves only when `advance` is called."""

    def __init__(self, speed: float, start: datetime | None = None) -> None:
        """Start at `start` (default: now) and run `speed` times faster than real time."""
        self.speed = speed
        self.start = start or datetime.now(UTC)
        self._origin = monotonic()
        self._advanced = 0.0
        self._running: float | None = None
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._order = count()

    def seconds(self) -> float:
        """Virtual seconds since the start; inside an action, the moment it was planned for."""
        if self._running is not None:
            return self._running
        return (monotonic() - self._origin) * self.speed + self._advanced

    def now(self) -> datetime:
        """The virtual date and time."""
        return self.start + timedelta(seconds=self.seconds())

    def after(self, seconds: float, action: Callable[[], object]) -> None:
        """Run `action` that many virtual seconds from now."""
        heapq.heappush(self._due, (self.seconds() + seconds, next(self._order), action))

    def run_due(self) -> None:
        """Run everything whose time has come, and what that in turn plans for a time already past."""
        if self._running is not None:
            return
        horizon = self.seconds()
        try:
            while self._due and self._due[0][0] <= horizon:
                self._running, _, action = heapq.heappop(self._due)
                action()
        finally:
            self._running = None

    def advance(self, seconds: float) -> None:
        """Jump ahead and run everything that falls due on the way."""
        if seconds < 0:
            raise ValueError("Virtual time only goes forward: give a number of seconds that is not negative.")
        self._advanced += seconds
        self.run_due()


def stamp(moment: datetime | None) -> str | None:
    """A moment as Prolific writes it, for example ``2021-05-20T11:03:00.457000Z``."""
    return None if moment is None else moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
