"""What a reconcile costs: a run of so many submissions goes in; calls, rows written, seconds and CPU come out.

Each round is compared with a bare loop that only lists and parses the same pages.
"""

import json
import os
import resource
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from uuid import UUID

from sqlalchemy import event, text

from bench.ground import CREDENTIAL, say, servers, spec
from bench.vendor import STUDY
from models.requester import Requester
from models.session import engine, transaction
from providers import account_of, http, provider_class, provider_of
from tasks import reconcile, runs

SIZES = (1_000, 10_000, 100_000)
BARE, FULL = "bare listing", "quiet, full"


@contextmanager
def vendor(size: int) -> Iterator[str]:
    """The address of a vendor that lists so many."""
    command = [sys.executable, "-m", "bench.vendor", str(size)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own module
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.kill()


def change(url: str, word: str, number: int) -> None:
    """Let the first ones be something else."""
    body = json.dumps({"word": word, "number": number}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{url}/words/", body, method="PUT"), timeout=60):  # noqa: S310 - our own server
        pass


class Meter:
    """Counts calls and rows written while it is on."""

    def __init__(self) -> None:
        """Listen to the database and to the HTTP layer."""
        self.calls = self.rows = 0
        event.listen(engine(), "after_cursor_execute", self._executed)
        self._call, http.call = http.call, self._counted

    def _executed(self, _connection: object, cursor: object, statement: str, *_: object) -> None:
        if statement.lstrip()[:6] in ("INSERT", "UPDATE", "DELETE"):
            self.rows += max(0, cursor.rowcount)  # type: ignore[attr-defined] # a DBAPI cursor

    def _counted(self, *words: object, **options: object) -> object:
        self.calls += 1
        return self._call(*words, **options)  # type: ignore[arg-type] # passed on as it came

    def measure(self, act: Callable[[], object]) -> tuple[int, int, float, float]:
        """Calls, rows, seconds and CPU seconds of an act."""
        self.calls = self.rows = 0
        began, used = time.perf_counter(), time.process_time()
        act()
        return self.calls, self.rows, time.perf_counter() - began, time.process_time() - used


def make_run(size: int) -> UUID:
    """An account, with a run of so many launched units."""
    with transaction() as session:
        row = provider_class("prolific").RequesterClass(
            name=f"bench {size}", credential=CREDENTIAL, facts={"workspace": "w", "project": "p"}, rate=100.0
        )
        session.add(row)
        session.flush()
        run, _ = runs.create(session, row, spec("bench"), [{"n": number} for number in range(size)])
        run.facts = {"study_id": STUDY}
        session.execute(text("UPDATE unit SET status = 'launched' WHERE task_run_id = :run"), {"run": run.id})
        session.execute(text("UPDATE operation SET state = 'confirmed' WHERE run_id = :run"), {"run": run.id})
        return row.id


def measured(account_id: UUID, name: str) -> str:
    """One round in this process, which did nothing else before but one call and a bare listing."""
    provider_class("prolific")
    with transaction() as session:
        account = account_of(session.get_one(Requester, account_id))
    provider, meter = provider_of(account), Meter()

    def bare() -> None:
        for _ in provider.observe({"study_id": STUDY}):
            pass

    def look() -> None:
        reconcile.reconcile_account(account_id, full=name == FULL)

    provider.changed({"study_id": STUDY})  # What a first call costs belongs to neither.
    *_, floor = meter.measure(bare)
    calls, rows, seconds, used = meter.measure(bare if name == BARE else look)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    times = f"{seconds:>8.2f} {used:>8.2f} {floor:>8.2f} {used / floor:>7.2f}"
    return f"{name:<15} {calls:>6,} {rows:>8,} {times} {peak:>5.0f}"


def table(size: int, url: str) -> None:
    """The lines of one size, each from a process of its own."""
    moved = {"1 % moved": size // 100, "the rest moved": size}
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as processes:
        account = processes.submit(make_run, size).result()
        for name in (BARE, "all are new", "quiet", FULL, *moved):
            if name in moved:
                change(url, "AWAITING REVIEW", moved[name])
            say(f"{size:>11,}  {processes.submit(measured, account, name).result()}")


def main() -> None:
    """Print a table."""
    sizes = [int(word) for word in sys.argv[1:]] or SIZES
    with servers():
        named = ("round", "calls", "rows", "s", "CPU s", "bare CPU", "x bare", "MB")
        say("submissions  {:<15} {:>6} {:>8} {:>8} {:>8} {:>8} {:>7} {:>5}".format(*named))
        for size in sizes:
            with vendor(size) as url:
                os.environ["CROWDOPS_PROLIFIC_URL"] = url
                table(size, url)


if __name__ == "__main__":
    main()
