"""`crowdops demo`: the whole main job against a simulated vendor, with workers killed on the way, and a report."""

import fcntl
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path
from typing import Annotated, NoReturn
from urllib.parse import urlsplit
from uuid import UUID

import typer

from cli import console, flower, launch, person, place, runfile, servers, show
from cli.failure import InputError
from cli.fleet import Fleet, checkout
from cli.report import Report, report, submitted
from cli.stage import CREDENTIAL, Stage, patiently, stage
from cli.watch import Progress, Snapshot, snapshot
from models import migrations, review
from models.identity import requester_id
from models.requester import Requester
from models.session import transaction
from models.settings import settings
from models.task_run import TaskRun
from providers import account_of, provider_class, provider_of
from tasks import dispatch

EXAMPLE = "examples/image-descriptions.yaml"
KILL_AT = (0.15, 0.5)
"""Shares of the units whose approval is asked for when a worker is killed; the rest waits until those are through."""
PATIENCE = 240
"""Seconds without any progress after which the demonstration gives up."""
LOOK = 0.25
"""Seconds between two looks."""
SERVERS = ("CROWDOPS_DATABASE_URL", "CROWDOPS_BROKER_URL")
"""What would lead the demonstration to servers of somebody else."""


def demo(  # noqa: PLR0913 - each option is one thing to play with
    *,
    units: Annotated[int, typer.Option(min=1, max=5000, help="How many units to launch.")] = 200,
    seed: Annotated[int, typer.Option(help="Decides the simulated crowd and the faults.")] = 7,
    faults: Annotated[float, typer.Option(min=0, max=0.9, help="Share of vendor calls that go wrong.")] = 0.05,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running at the end, until Ctrl-C.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before real money is spent.")] = False,
    as_json: console.Json = False,
) -> None:
    """Launch a run at a simulated Prolific, kill workers on the way, and compare our rows with the vendor's ledger.

    It plays on embedded servers of its own, whatever CROWDOPS_DATABASE_URL and CROWDOPS_BROKER_URL say.
    With CROWDOPS_PROLIFIC_URL (and the token in CROWDOPS_PROLIFIC_TOKEN) it runs against that vendor instead.
    """
    began = time.monotonic()
    with _told_to_end(), _home(), stage(seed, faults) as vendor:
        _ask(vendor, yes=yes)
        with servers.embedded(), flower.reserved():
            migrations.upgrade()
            show.opening(vendor, units, seed, faults, as_json=as_json)
            made = _perform(vendor, units, keep=keep, as_json=as_json, began=began)
    sys.exit(1 if made.problems else 0)


@contextmanager
def _told_to_end() -> Iterator[None]:
    """Whoever is told to end, or loses the terminal, ends what was started as well."""
    for told in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(told, _interrupt)
    try:
        yield
    except KeyboardInterrupt as told:
        sys.exit(128 + (told.args[0] if told.args else signal.SIGINT))


def _interrupt(number: int, _: object) -> NoReturn:
    # Not SystemExit: the database's driver tidies up an interrupted query after KeyboardInterrupt only.
    raise KeyboardInterrupt(number)


@contextmanager
def _home() -> Iterator[None]:
    """A home of its own, emptied first, so that a demonstration neither finds nor leaves anything in the real one."""
    home = settings().home / "demo"
    place.make_home()
    with (home.parent / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"A demonstration is running in {home} already; wait for it, or end it.") from None
        _move_into(home)
        if home.exists():
            # Servers that outlived a killed demonstration are found alive here, and stopped.
            with servers.embedded():
                pass
            shutil.rmtree(home)
        yield


def _move_into(home: Path) -> None:
    """Let the environment, and so every process that is started, know this home and its own servers only."""
    # Its workers would carry out whatever a database of somebody else holds, at the simulator.
    for name in [name for name in os.environ if name.upper() in SERVERS]:
        del os.environ[name]
    foreign = urlsplit(settings().prolific_url or "http://127.0.0.1").hostname
    profile = "quick" if foreign in ("127.0.0.1", "localhost", "::1") else "production"
    os.environ["CROWDOPS_HOME"] = str(home)
    os.environ.setdefault("CROWDOPS_PROFILE", profile)
    settings.cache_clear()


def _ask(vendor: Stage, *, yes: bool) -> None:
    """Nobody spends real money by trying a demonstration."""
    if urlsplit(vendor.url).hostname == "api.prolific.com" and not yes:
        typer.confirm("This launches a real study at Prolific and pays real people. Go on?", abort=True)


@dataclass(slots=True)
class Play:
    """What the performance has done so far."""

    run_id: UUID
    fleet: Fleet
    killed: int = 0
    decided: list[person.Decided] = field(default_factory=list)
    tell: Callable[[str], None] = console.say


def _perform(vendor: Stage, units: int, *, keep: bool, as_json: bool, began: float) -> Report:
    fleet = Fleet()
    try:
        for name in ("worker", "beat", "flower"):
            fleet.start(name)
        play = Play(_launch(vendor, units), fleet)
        quiet = nullcontext(None) if as_json else Progress()
        with quiet as progress:
            _watch(play, progress)
        made = report(play.run_id, vendor, play.decided)
        made.killed, made.seconds, made.flower = play.killed, round(time.monotonic() - began, 1), flower.address()
        show.closing(made, vendor, as_json=as_json)
        if keep:
            show.kept(made, vendor)
            _until_interrupted()
    finally:
        fleet.stop()
    return made


def _launch(vendor: Stage, units: int) -> UUID:
    """Add the account, and launch the example run under a name of its own."""
    provider = provider_class("prolific")
    name = f"demo-{int(time.time())}"
    key = requester_id("prolific", name)
    with transaction() as session:
        facts = {"workspace": vendor.workspace, "project": vendor.project}
        row = {"id": key, "provider_type": "prolific", "name": name, "credential": CREDENTIAL, "facts": facts}
        session.add(provider.RequesterClass(**row, rate=provider.calls_per_second))
    with transaction() as session:
        requester = session.get_one(Requester, key)
    vendor_side = provider_of(account_of(requester))
    wanted = runfile.read(checkout() / EXAMPLE, lambda _: provider.ArgsClass)
    rows = [wanted.rows[index % len(wanted.rows)] | {"number": index + 1} for index in range(units)]
    changes = {
        "name": name,
        "requester": name,
        "budget": wanted.file.budget * ceil(units / len(wanted.rows)),
        "currency": patiently(vendor_side.balance).currency,
    }
    wanted = replace(wanted, file=wanted.file.model_copy(update=changes), rows=rows)
    launch.afford(patiently(lambda: launch.ask(vendor_side, wanted)), wanted)
    return launch.launch(requester, wanted, sandbox=vendor_side.is_sandbox()).run_id


def _watch(play: Play, progress: Progress | None) -> None:
    """Follow the run to its end, doing meanwhile what an operator and bad luck would do."""
    play.tell = progress.say if progress else lambda _: None
    moved, last = time.monotonic(), None
    while True:
        with transaction() as session:
            seen = snapshot(session, play.run_id)
        if progress:
            progress.show(seen)
        if seen.approved == seen.total and not seen.open and play.killed == len(KILL_AT):
            return
        if seen.numbers() != last:
            moved, last = time.monotonic(), seen.numbers()
        if time.monotonic() - moved > PATIENCE:
            play.tell(f"Nothing has moved for {PATIENCE} s, so the demonstration ends here.")
            return
        _revive(play)
        if _approve(play, seen):
            _kill(play)
        _decide(play)
        time.sleep(LOOK)


def _revive(play: Play) -> None:
    """Start again what is not running."""
    for name in play.fleet.died():
        play.tell(f"The process {name} ended by itself and is started again; see {play.fleet.log(name)}.")
        play.fleet.start(name)


def _approve(play: Play, seen: Snapshot) -> bool:
    """Approve what came in, as `crowdops review approve` does, up to the next kill; True when that is due."""
    before, upto = (ceil(seen.total * share) for share in (0, *KILL_AT, 1)[play.killed : play.killed + 2])
    if seen.approved < before:
        return False
    asked = seen.approved + seen.approving
    with transaction() as session:
        agents = submitted(session, play.run_id, upto - asked)
        review.approve(session.get_one(TaskRun, play.run_id), agents)
    if agents:
        dispatch.wake()
    return play.killed < len(KILL_AT) and asked + len(agents) >= upto


def _kill(play: Play) -> None:
    """End the worker in the middle of something, and start another."""
    with transaction() as session:
        left = snapshot(session, play.run_id).open
    pid = play.fleet.kill("worker")
    play.killed += 1
    play.tell(f"Killed the worker (pid {pid}, SIGKILL) with {left} operations open; starting another.")
    play.fleet.start("worker")


def _decide(play: Play) -> None:
    """Settle what is in review, and tell it."""
    for one in person.decide(play.run_id):
        play.decided.append(one)
        play.tell(one.told)


def _until_interrupted() -> None:
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return
