"""A worker dies, stops or dawdles at every point of a payment; in the end it was paid once, or a person decides."""

import multiprocessing
import os
import signal
from collections import Counter
from contextlib import suppress

import pytest

from models.clock import stopwatch
from models.operation import FINAL, State
from models.settings import settings
from tests.integration import doomed
from tests.integration.test_bonus import PAY, paid, pay, rest, run

__all__ = ["pay", "run"]
POINTS = ("after_claim", "before_send", "after_snapshot", "before_pay", "after_response", "after_record", "after_read")
LEASE = 6
DAWDLE = LEASE / 3 + 0.1
"""Seconds after which a sender is held for dead, and sends nothing more."""
SENT = ("after_response", "after_record", "after_read")
"""Points that a payment comes to after it was made."""


@pytest.fixture
def worker(scene, tmp_path, timing):  # noqa: ARG001 - the scene's environment is the worker's too
    """A function that starts a worker with a failpoint, and returns it once it has come there."""
    timing(http_deadline=1.8, soft_limit=3, hard_limit=4, lease=LEASE, visibility=10, settle=7, pay_settle=900)
    workers = []

    def start(failpoint):
        names = {name: value for name, value in os.environ.items() if name.startswith("CROWDOPS_")}
        names |= {"CROWDOPS_FAILPOINT": failpoint, "CROWDOPS_HOME": str(tmp_path)}
        workers.append(_processes.Process(target=doomed.turn, args=(names,)))
        workers[-1].start()
        return workers[-1]

    yield start
    for one in workers:
        with suppress(ProcessLookupError):
            os.kill(one.pid, signal.SIGCONT)
        one.kill()
        one.join()


_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.integration.doomed"])


def at(point, home, start, eventually):
    """A worker that has come to its failpoint; one that was too slow sent nothing, and another is tried."""
    for _ in range(5):
        process = start()
        eventually(lambda started=process: any(home.glob(f"failpoint-{point}:*")) or not started.is_alive(), 30)
        if any(home.glob(f"failpoint-{point}:*")):
            return process
    pytest.fail(f"no worker came to {point}")


@pytest.mark.parametrize("action", ["exit", "stop", f"sleep={DAWDLE}"])
@pytest.mark.parametrize("point", POINTS)
def test_whatever_a_worker_does_at_any_point_a_bonus_is_paid_once_or_goes_to_a_person(  # noqa: PLR0913, PLR0917 - fixtures
    scene, pay, worker, tmp_path, eventually, point, action
):
    operations = pay(50, 75)
    if point == "after_read":
        scene.fault(PAY, "drop_after")
        scene.send(*operations)

    def start():
        scene.later(settings().timing.read_every)
        return worker(f"{point}:{action}")

    process = at(point, tmp_path, start, eventually)
    reached = stopwatch()
    if action == "stop":
        eventually(lambda: stopwatch() > reached + DAWDLE, 10)
        rest(scene)
        os.kill(process.pid, signal.SIGCONT)
    process.join(30)
    rest(scene)
    made = Counter(submission for submission, _ in paid(scene))
    assert set(made.values()) <= {1}
    for row in scene.operations("bonus"):
        assert row.state is State.REVIEW or (row.state is State.CONFIRMED and made[row.target] == 1)
    if point in SENT:
        assert scene.states("bonus") <= FINAL
