"""The vendor of a demonstration: our simulator as a process of its own, or the one that the environment names."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

from cli.failure import FailedError
from models.settings import settings
from providers.errors import AccountError, ProviderError, RejectedError
from providers.prolific.client import Client

TOKEN = "CROWDOPS_PROLIFIC_TOKEN"  # noqa: S105 - the name of a variable, not a secret
CREDENTIAL = f"env:{TOKEN}"
STOPPING = 10
"""Seconds that the simulator may take to stop."""
TRIES, PAUSE = 20, 0.25
"""How often a read that fails is made, and the seconds in between."""
SPEED = 180
"""Simulated seconds in one of ours: a quarter of an hour for the task is five seconds."""
FILLING, MOST = 12, 10
"""Seconds of ours in which the crowd would fill the longer run, and how many people come in one of them at most."""
HABITS = {"returns": 0.06, "time_outs": 0.03, "late": 0.03, "no_shows": 0.02, "hand_approvals": 0.05}
"""Shares of the crowd, and of the work that somebody approves in the vendor's pages."""

LOCAL = ("127.0.0.1", "localhost", "::1")
PAY = "POST bulk-bonus-payments/{id}/pay/"
PAYING = 60
"""Seconds of its time after which the simulator carries out a payment that it took."""

Answer = TypeVar("Answer")


class StageError(FailedError):
    """There is no vendor to play against; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A vendor with an account. A foreign vendor has no ledger that we could read."""

    url: str
    workspace: str
    project: str
    simulated: bool
    speed: float = 1
    """Seconds that pass there in one of ours."""
    play_money: bool = False
    """Whether it is known to be a simulator, so that nobody real is paid."""
    deposit: int | None = None
    """What the simulator's wallet held at first, in minor units."""

    @property
    def settle(self) -> float:
        """Seconds of ours after which a simulator has carried out whatever payment it took, with some to spare."""
        return 2 * PAYING / self.speed

    def ledger(self) -> list[dict[str, Any]]:
        """Every effect that the simulator saw happen."""
        effects: list[dict[str, Any]] = self._read("ledger")["effects"]
        return effects

    def calls(self) -> dict[str, dict[str, int]]:
        """For each endpoint: how many calls, answers by status, and injected faults."""
        totals: dict[str, dict[str, int]] = self._read("calls")["totals"]
        return totals

    def by_hand(self) -> int:
        """How many decisions were made in the simulator's own pages, by no call of anybody."""
        return sum(self._read("state")["by_hand"].values())

    def wallet(self) -> int:
        """What the simulator's wallet holds, reserved or not, in minor units."""
        total: int = self._read("state")["wallet"]["total"]
        return total

    def rewards(self) -> dict[str, int]:
        """What each study pays for its work, in minor units."""
        return {study["id"]: study["reward"] for study in self._read("state")["studies"]}

    def uses_the_door(self) -> bool:
        """Whether the crowd gets its data, and hands in its answers, at the web process."""
        return bool(self._read("state")["door"]["on"])

    def _read(self, page: str) -> dict[str, Any]:
        return _panel(self.url, page)


def _panel(url: str, page: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}/simulator/{page}", timeout=10) as answer:  # noqa: S310 - our own server
        read: dict[str, Any] = json.load(answer)
    return read


def _spoil_a_payment(url: str) -> None:
    """Let the first payment of bonuses be lost on its way, which nothing that can be read tells from a slow one."""
    fault = json.dumps({"next": {"endpoint": PAY, "kind": "drop_before"}}).encode()
    with urllib.request.urlopen(f"{url}/simulator/faults", fault, timeout=10):  # noqa: S310 - our own server
        pass


@contextmanager
def stage(seed: int, faults: float, units: int) -> Iterator[Stage]:
    """The vendor at CROWDOPS_PROLIFIC_URL if that is set, else a simulator that lives as long as the block.

    Its crowd comes through the web door, at a pace that suits a run of so many units, and behaves as people do.

    Raises:
        StageError: the simulator does not start, or the vendor shows no workspace and project.
    """
    if (foreign := settings().prolific_url) is not None:
        if TOKEN not in os.environ:
            raise StageError(f"CROWDOPS_PROLIFIC_URL names a vendor, so {TOKEN} must hold its token.")
        yield _foreign(foreign)
        return
    os.environ[TOKEN] = "simulator"
    arrivals = 60 / SPEED * min(MOST, max(1, units / FILLING))
    with _simulator(seed=seed, faults=faults, speed=SPEED, arrivals=arrivals, **HABITS) as url:
        if faults:
            _spoil_a_payment(url)
        os.environ["CROWDOPS_PROLIFIC_URL"] = url
        settings.cache_clear()
        try:
            played = replace(_account(url, simulated=True), speed=SPEED, play_money=True)
            yield replace(played, deposit=played.wallet())
        finally:
            del os.environ["CROWDOPS_PROLIFIC_URL"], os.environ[TOKEN]
            settings.cache_clear()


def _foreign(url: str) -> Stage:
    """A vendor that was there before; only at a local address that has a simulator's pages is its money no real one."""
    found = _account(url, simulated=False)
    if urlsplit(url).hostname not in LOCAL:
        return found
    try:
        speed = float(_panel(url, "state")["clock"]["speed"])
    except (OSError, ValueError, LookupError, TypeError):
        return found
    # Where the clock stands still, no payment is ever carried out.
    return replace(found, speed=speed, play_money=True) if speed > 0 else found


def patiently(read: Callable[[], Answer]) -> Answer:
    """The answer to a read, which is made again while calls are spoilt.

    Raises:
        RejectedError: the vendor refuses it.
        AccountError: the credential is no good.
        ProviderError: it failed every time.
    """
    for _ in range(TRIES - 1):
        try:
            return read()
        except (RejectedError, AccountError):
            raise
        except ProviderError:
            time.sleep(PAUSE)
    return read()


def _account(url: str, *, simulated: bool) -> Stage:
    """The first workspace of the token's user, and its first project."""
    client = Client(CREDENTIAL, url)
    workspace = next(iter(patiently(client.workspaces)), None)
    project = next(iter(patiently(partial(client.projects, workspace))), None) if workspace else None
    if workspace is None or project is None:
        raise StageError(f"The account at {url} has no workspace with a project; make one there first.")
    return Stage(url, workspace, project, simulated)


@contextmanager
def _simulator(**options: float) -> Iterator[str]:
    log = settings().home / "logs" / "simulator.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "providers.prolific.simulator", "--door"]
    for name, value in options.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    with log.open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own module
            command, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
        )
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            raise StageError(f"The simulator did not start; see {log}.")
        yield line.split()[-1]
    finally:
        process.terminate()
        try:
            process.wait(STOPPING)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()
