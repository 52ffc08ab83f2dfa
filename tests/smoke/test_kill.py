"""Workers die or stall at the worst moments; whoever goes on finds every operation done once."""

import os
import signal
import subprocess
import sys

import pytest

from models.attempt import Attempt, AttemptOutcome
from models.operation import Operation, State
from models.requester import Requester
from tasks import dispatch
from tests.integration.scene import DRAFT
from tests.smoke.containers import Worker

pytestmark = [pytest.mark.smoke, pytest.mark.timeout(240)]
DEATHS = ["after_claim:exit", "before_send:exit", "after_response:exit", "after_record:exit", "after_read:exit"]
#: The first is longer than a worker may wait between claim and send, the second longer than the whole lease.
STALLS = ["before_send:sleep=2.2", "before_send:sleep=8"]


def test_a_worker_killed_while_the_vendor_answers_leaves_one_effect(job, fleet, simulator):
    simulator.faults.next(DRAFT, "hang_after", seconds=30)
    calls = job.calls(DRAFT)
    job.planned()
    dispatch.wake()
    job.until(lambda: job.calls(DRAFT) > calls)
    fleet.worker.kill("SIGKILL")
    (draft,) = job.mine("draft")
    assert draft.state is State.SENDING
    assert job.get(Attempt, draft.attempt_id).closed_at is None
    fleet.worker.restart()
    job.finished()
    assert job.get(Attempt, draft.attempt_id).outcome is AttemptOutcome.LOST
    assert job.calls(DRAFT) == calls + 1


RUN_FILE = """
name: from the command line
title: Compare two pictures
description: Choose one.
task_url: https://example.org/task
currency: GBP
pay: 1.20
budget: 100
estimated_minutes: 2
completion_codes: [C0DE]
requester: {account}
units: units.csv
"""


def test_a_command_that_dies_right_after_its_commit_is_carried_out_all_the_same(job, environment, tmp_path):
    (tmp_path / "run.yaml").write_text(RUN_FILE.format(account=job.get(Requester, job.account).name))
    (tmp_path / "units.csv").write_text("picture\n1\n2\n3\n")
    names = os.environ | environment | {"CROWDOPS_HOME": str(tmp_path), "CROWDOPS_FAILPOINT": "after_plan:exit"}
    command = [sys.executable, "-m", "cli.main", "run", "launch", str(tmp_path / "run.yaml")]
    assert subprocess.run(command, env=names, capture_output=True, check=False).returncode == 137
    assert len(job.mine("launch")) == 3
    job.finished()


@pytest.fixture
def halted(fleet):
    """The fleet's own worker stands still until the function is called, so that another one gets the work."""
    worker = fleet.worker.container
    worker.kill("SIGSTOP")
    yield lambda: worker.kill("SIGCONT")
    worker.kill("SIGCONT")


@pytest.fixture
def doomed(start):
    """A function that starts a worker with failpoints, and waits until it is at work."""
    workers = []

    def prepare(*failpoints):
        extra = {"CROWDOPS_FAILPOINT": ",".join(failpoints), "CROWDOPS_WORKERS": "1"}
        workers.append(start(Worker, f"doomed-{len(workers)}", **extra))
        workers[-1].ready()
        return workers[-1]

    yield prepare
    for worker in workers:
        worker.teardown()


def hits(worker):
    """The failpoints that the worker has come to."""
    return {path.name.removeprefix("failpoint-") for path in worker.home.glob("failpoint-*")}


def test_at_every_point_a_worker_may_die_or_stall_and_each_effect_happens_once(job, doomed, halted, simulator):
    worker = doomed(*DEATHS, *STALLS)

    def all_hit():
        left = {*DEATHS, *STALLS} - hits(worker)
        if left and not [row for row in job.mine("draft") if row.state is State.PLANNED]:
            # An answer that is lost has to be read back, for the one that dies there.
            simulator.faults.next(DRAFT, "drop_after")
            job.planned()
            dispatch.publish(dispatch.take())
        return not left

    job.until(all_hit)
    halted()
    job.finished()
    attempts = job.all(Attempt, Attempt.requester_id == job.account)
    assert {AttemptOutcome.LOST, AttemptOutcome.DONE} <= {one.outcome for one in attempts}


def test_a_worker_that_wakes_up_long_after_its_lease_sends_nothing(job, doomed, halted):
    zombie = doomed("before_send:stop")
    calls = job.calls(DRAFT)
    job.planned()
    dispatch.publish(dispatch.take())
    job.until(lambda: hits(zombie))
    # Its parent would end it at its time limit; so the parent stalls as well, as the whole machine might.
    zombie.kill("SIGSTOP")
    halted()
    job.finished()
    (draft,) = job.mine("draft")
    stalled = job.all(Attempt, Attempt.operation_ids.contains([draft.id]))[0]
    assert stalled.outcome is AttemptOutcome.LOST
    for child in zombie.children():
        os.kill(child, signal.SIGCONT)
    job.until(lambda: job.get(Attempt, stalled.id).outcome is AttemptOutcome.NOT_SENT)
    job.check()
    assert job.calls(DRAFT) == calls + 1
    assert job.get(Operation, draft.id).state is State.CONFIRMED
