"""What a file of bonuses costs: so many rows go in; seconds and peak memory of `crowdops bonus pay` come out.

The same file is paid twice; the second time adds nothing.
"""

import os
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from sqlalchemy import text

from bench.ground import CREDENTIAL, say, servers, spec
from cli import bonuses
from models.session import transaction
from models.settings import settings
from providers import provider_class
from providers.prolific.simulator.server import running
from providers.prolific.simulator.simulator import Options
from tasks import runs

SIZES = (1_000, 10_000, 50_000)
WORK = """
WITH people AS (
    INSERT INTO worker (id, provider_type, name)
    SELECT gen_random_uuid(), 'prolific', lpad(to_hex(n), 24, '0')
    FROM generate_series(:first, :first + :size - 1) AS n RETURNING id, name
)
INSERT INTO agent (id, requester_id, task_run_id, worker_id, provider_type, submission, status)
SELECT gen_random_uuid(), :account, :run, id, 'prolific', name, 'approved' FROM people
"""


def make_work(size: int, facts: dict[str, str]) -> str:
    """A run of an account of its own, with so many who worked; its name."""
    name = f"bench {size}"
    wanted = spec(name, quoted_minor=14, quoted_places=1)
    with transaction() as session:
        row = provider_class("prolific").RequesterClass(
            name=name, credential=CREDENTIAL, facts=facts, rate=100.0, tokens=100.0
        )
        session.add(row)
        session.flush()
        run, _ = runs.create(session, row, wanted, [{"n": 1}])
        session.execute(text(WORK), {"size": size, "first": _first(size), "account": row.id, "run": run.id})
        return name


def _first(size: int) -> int:
    """The number of the first submission: no two sizes share any."""
    return size * 10**6


def write_file(path: Path, size: int) -> None:
    """A CSV file with a row for each of them."""
    with path.open("w") as stream:
        stream.write("submission,amount,reason,key\n")
        stream.writelines(f"{n:024x},0.50,It was very good.,may\n" for n in range(_first(size), _first(size) + size))


def measured(run: str, path: Path, rehearsal: bool) -> str:  # noqa: FBT001 - positional across processes
    """One command in this process, which did nothing else before."""
    provider_class("prolific")
    before = _peak()
    began, used = time.perf_counter(), time.process_time()
    asked = bonuses.Asked(run, [], path, {"amount": None, "reason": None, "key": "1"})
    planned, _ = bonuses.pay(asked, dry_run=rehearsal)
    seconds, used = time.perf_counter() - began, time.process_time() - used
    return f"{len(planned.fresh):>8,} {seconds:>8.2f} {used:>8.2f} {_peak():>6.0f} {_peak() - before:>6.0f}"


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def table(size: int, path: Path, facts: dict[str, str]) -> None:
    """The lines of one size, each from a process of its own."""
    write_file(path, size)
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as processes:
        run = processes.submit(make_work, size, facts).result()
        for name in ("rehearsal", "paid", "again"):
            told = processes.submit(measured, run, path, name == "rehearsal").result()
            say(f"{size:>8,}  {name:<10} {told}")


def main() -> None:
    """Print a table."""
    sizes = [int(word) for word in sys.argv[1:]] or SIZES
    with servers(), running(Options(speed=0, crowd=False, token="bench")) as vendor:  # noqa: S106 - a simulator's
        os.environ["CROWDOPS_PROLIFIC_URL"] = vendor.url
        vendor.state.deposit += 10**9
        facts = {"workspace": vendor.state.workspace, "project": vendor.state.project}
        named = ("command", "planned", "s", "CPU s", "MB", "more")
        say("    rows  {:<10} {:>8} {:>8} {:>8} {:>6} {:>6}".format(*named))
        for size in sizes:
            table(size, settings().home / "bonuses.csv", facts)


if __name__ == "__main__":
    main()
