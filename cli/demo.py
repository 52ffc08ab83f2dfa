"""`crowdops demo`: the whole life of two runs at a simulated vendor, with workers killed on the way, and a report."""

import fcntl
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from math import ceil
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID

import typer

from cli import console, door, ending, flower, launch, offer, place, runfile, servers, show, thanks
from cli.failure import InputError
from cli.fleet import Fleet, checkout
from cli.play import LOOK, REJECTED, Play, follow
from cli.report import Report, report
from cli.stage import CREDENTIAL, LOCAL, Stage, patiently, stage
from cli.thanks import Thanks
from cli.watch import Progress
from models import migrations
from models.identity import requester_id
from models.requester import Requester
from models.session import transaction
from models.settings import settings
from providers import account_of, provider_class, provider_of

EXAMPLE = "examples/image-descriptions.yaml"
PROCESSES = ("worker", "beat", "flower", "web")
SHORTER, LEAST = 4, 24
"""The run that is expired half-way has a quarter of the units, and at least so many."""
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
    """Play the whole life of two runs at a simulated Prolific, kill workers on the way, and explain every unit.

    People return, time out and come late; work is approved and rejected, and half of it is thanked for with a bonus;
    the second run is expired half-way. In the end our rows are compared with the vendor's list and its ledger, and our
    money with the vendor's. Bonuses are paid at a simulator only.

    It plays on embedded servers of its own, whatever CROWDOPS_DATABASE_URL and CROWDOPS_BROKER_URL say.
    With CROWDOPS_PROLIFIC_URL (and the token in CROWDOPS_PROLIFIC_TOKEN) it runs against that vendor instead.
    """
    began = time.monotonic()
    # Whoever is told to end, or loses the terminal, ends what was started as well.
    with ending.listening(signal.SIGTERM, signal.SIGHUP), _home(), stage(seed, faults, units) as vendor:
        _ask(vendor, yes=yes)
        with ending.listening(signal.SIGINT), servers.embedded(), flower.reserved():
            migrations.upgrade()
            ending.heed()
            _open_door(vendor)
            show.opening(vendor, units, seed, faults, as_json=as_json)
            made = _perform(vendor, units, keep=keep, as_json=as_json, began=began)
    sys.exit(1 if made.problems else 0)


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
    profile = "quick" if foreign in LOCAL else "production"
    os.environ["CROWDOPS_HOME"] = str(home)
    os.environ.setdefault("CROWDOPS_PROFILE", profile)
    if foreign in LOCAL:
        # A run of whose time-outs nobody comes back any more is seen to be over in a full listing only.
        os.environ.setdefault("CROWDOPS_TIMING__FULL_EVERY", "5")
    settings.cache_clear()


def _open_door(vendor: Stage) -> None:
    """Tell the task's page where the web process is, unless the crowd is far away and was told of another address."""
    if vendor.simulated:
        os.environ.pop("CROWDOPS_WEB_URL", None)
        settings.cache_clear()
    door.port()
    if urlsplit(vendor.url).hostname in LOCAL:
        os.environ.setdefault("CROWDOPS_WEB_URL", door.address())
        settings.cache_clear()


def _ask(vendor: Stage, *, yes: bool) -> None:
    """Nobody spends real money by trying a demonstration."""
    if urlsplit(vendor.url).hostname == "api.prolific.com" and not yes:
        typer.confirm("This launches a real study at Prolific and pays real people. Go on?", abort=True)


def _perform(vendor: Stage, units: int, *, keep: bool, as_json: bool, began: float) -> Report:
    fleet = Fleet()
    try:
        for name in PROCESSES:
            fleet.start(name)
        door.wait()
        ending.heed()
        whole, half = _launch(vendor, units)
        play = _play(vendor, whole, half, units, fleet)
        with nullcontext(None) if as_json else Progress() as progress:
            follow(play, progress)
        made = report(play.runs, vendor, play.decided, play.thanks)
        made.killed, made.seconds, made.flower = play.killed, round(time.monotonic() - began, 1), flower.address()
        show.closing(made, vendor, as_json=as_json)
        if keep:
            show.kept(made, vendor)
            _until_told_to_end()
    finally:
        fleet.stop()
    return made


def _play(vendor: Stage, whole: UUID, half: UUID, units: int, fleet: Fleet) -> Play:
    """Nobody's real work is rejected for show, and nobody is paid real money on top."""
    return Play(
        whole,
        half,
        units,
        fleet,
        to_reject=int(units * REJECTED) if vendor.simulated else 0,
        thanks=Thanks(settings().home / "bonuses.csv") if vendor.play_money else None,
        settle=vendor.settle,
    )


def _launch(vendor: Stage, units: int) -> list[UUID]:
    """Add the account, and launch the example for it twice: as long as is wanted, and a shorter one to be expired."""
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
    currency = patiently(vendor_side.balance).currency
    runs = []
    for title, number in (("whole", units), ("half", max(LEAST, units // SHORTER))):
        wanted = _wanted(number, name=f"{name}-{title}", requester=name, currency=currency)
        asked = patiently(partial(offer.ask, vendor_side, wanted.offer))
        offer.afford(asked, wanted.offer)
        make = launch.of_file(requester, wanted, asked.cost, sandbox=vendor_side.is_sandbox())
        runs.append(launch.launch(make).run_id)
    return runs


def _wanted(units: int, **changes: str) -> runfile.Wanted:
    """The example run with so many units, whose rows come again after the last."""
    read = runfile.read(checkout() / EXAMPLE, lambda _: provider_class("prolific").ArgsClass)
    rows = [read.rows[index % len(read.rows)] | {"number": index + 1} for index in range(units)]
    budget = read.file.budget * ceil(units / len(read.rows)) + thanks.most(units)
    return replace(read, file=read.file.model_copy(update=changes | {"budget": budget}), rows=rows)


def _until_told_to_end() -> None:
    while not ending.told():
        time.sleep(LOOK)
