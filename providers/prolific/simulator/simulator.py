"""The parts of one simulated Prolific, put together from options."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from providers.prolific.simulator.api import ENDPOINTS
from providers.prolific.simulator.browser import Browser
from providers.prolific.simulator.clock import Clock, stamp
from providers.prolific.simulator.crowd import Crowd
from providers.prolific.simulator.faults import Faults, Rule
from providers.prolific.simulator.habits import Habits
from providers.prolific.simulator.identity import stream
from providers.prolific.simulator.ledger import Call
from providers.prolific.simulator.reviewer import Reviewer
from providers.prolific.simulator.state import State

CALLS_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Options(Habits):
    """What the command line or a test may choose; the shares of `Habits` too."""

    host: str = "127.0.0.1"
    port: int = 0
    """0 takes any free one."""
    seed: int = 7
    speed: float = 60.0
    """Virtual seconds a real second; 0 stands still until the clock is advanced."""
    start: datetime | None = None
    """The virtual time at the start; now, unless given."""
    faults: float = 0.0
    """The share of calls, at every endpoint, that get some fault."""
    misreads: float = 0.0
    """The share of reads, where a read can go wrong, that show what is not so."""
    visible_after: float = 0.0
    """How many virtual seconds old an approval is before reads show it."""
    token: str = "simulator"  # noqa: S105 - it opens nothing but this simulator
    currency: str = "GBP"
    balance: int = 1_000_000
    """What the wallet holds at first, in minor units."""
    crowd: bool = True
    arrivals: float = 25.0
    """Participants who come to a study with room, a virtual minute."""
    door: bool = False
    """Participants open the task's page and work through the project's web door."""


class Exchange(NamedTuple):
    """One call to the API that got an answer, as it went over the wire."""

    method: str
    path: str
    query: str
    request_headers: dict[str, str]
    request_body: bytes
    status: int
    headers: dict[str, str]
    body: bytes


class Simulator:
    """State, crowd, faults and call log of one simulator; `url` is known once it listens."""

    def __init__(self, options: Options, on_exchange: Callable[[Exchange], None] | None = None) -> None:
        """Put the parts together; `on_exchange` is told of every answered call."""
        self.options = options
        self.on_exchange = on_exchange
        self.url = ""
        self.clock = Clock(options.speed, options.start)
        self.state = State(options.seed, self.clock, options.currency, options.balance)
        self.state.visible_after = options.visible_after
        self.browser = Browser(self.state)
        browser = self.browser if options.door else None
        self.crowd = Crowd(self.state, options.arrivals, options, browser, on=options.crowd)
        self.reviewer = Reviewer(self.state, options)
        self.faults = Faults(stream(options.seed, "faults"), (endpoint.name for endpoint in ENDPOINTS))
        shares = {"any": options.faults, "misread": options.misreads}
        self.faults.set([Rule("*", kind, share=share) for kind, share in shares.items() if share])
        self.calls: deque[Call] = deque(maxlen=CALLS_KEPT)
        self.totals: dict[str, dict[str, int]] = {}
        """For each endpoint: how many calls there were, and how many with each status or fault."""

    def advance(self, seconds: float) -> None:
        """Jump ahead in virtual time; what falls due on the way has happened when this returns."""
        with self.state.turn():
            self.clock.advance(seconds)

    def log(self, endpoint: str, path: str, status: int | None, fault: str | None) -> None:
        """Write down one call; `status` is None when the caller gets no answer."""
        totals = self.totals.setdefault(endpoint, {"calls": 0})
        for name in ("calls", str(status or "no answer"), *([f"fault {fault}"] if fault else [])):
            totals[name] = totals.get(name, 0) + 1
        self.calls.append(Call(self.total_calls(), stamp(self.clock.now()) or "", endpoint, path, status, fault))

    def total_calls(self) -> int:
        """How many calls there were in all."""
        return sum(totals["calls"] for totals in self.totals.values())
