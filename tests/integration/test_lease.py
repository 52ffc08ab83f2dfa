"""One round an account at a time: who comes second leaves, who is too slow stops, and who died lets go."""

import multiprocessing
import os

import pytest

from models.task_run import TaskRun
from tasks import lease, reconcile
from tasks.lease import LeaseError
from tests.integration import doomed
from tests.integration.scene import COUNTS

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.integration.doomed"])


def test_a_second_round_of_an_account_leaves_the_first_alone(scene, caplog):
    scene.live(1)
    calls = scene.calls(COUNTS)
    with lease.held(scene.account):
        reconcile.reconcile_one(str(scene.account))
    assert scene.calls(COUNTS) == calls
    assert "was put off" in caplog.text
    reconcile.reconcile_one(str(scene.account))
    assert scene.calls(COUNTS) == calls + 1


def test_a_round_that_died_lets_go_when_its_lease_is_over(scene, timing):
    dead = lease.held(scene.account)
    dead.__enter__()
    with pytest.raises(LeaseError), lease.held(scene.account):
        pass
    scene.later(timing().lease)
    with lease.held(scene.account):
        pass


def test_a_round_that_was_too_slow_stops_at_its_next_step_and_leaves_the_other_one_its_lease(scene, timing):
    with lease.held(scene.account) as keep:
        scene.later(timing().lease)
        with lease.held(scene.account) as keep_other:
            with pytest.raises(LeaseError):
                keep()
            keep_other()


def test_a_round_that_goes_on_keeps_its_lease(scene, timing):
    with lease.held(scene.account) as keep:
        for _ in range(3):
            scene.later(0.9 * timing().lease)
            keep()
        with pytest.raises(LeaseError), lease.held(scene.account):
            pass


def test_a_lease_is_kept_by_the_time_that_has_passed_and_not_by_the_steps_that_were_taken(monkeypatch, timing):
    passed, kept = [0.0], []
    monkeypatch.setattr(lease, "stopwatch", lambda: passed[0])
    keep = lease.sparing(lambda: kept.append(passed[0]))
    tenth = timing().lease / 10
    for passed[0] in (0.9 * tenth, tenth, 1.9 * tenth, 2 * tenth, 9 * tenth):
        keep()
    assert kept == [tenth, 2 * tenth, 9 * tenth]


def test_a_sweep_that_is_killed_between_two_portions_is_made_up_for_by_the_next(scene, timing, tmp_path):
    run = scene.live(3)
    seen = scene.get(TaskRun, run).seen
    scene.hand_in(run, 3)
    names = {name: value for name, value in os.environ.items() if name.startswith("CROWDOPS_")}
    names |= {"CROWDOPS_FAILPOINT": "after_portion:exit", "CROWDOPS_HOME": str(tmp_path)}
    sweep = _processes.Process(target=doomed.list_everything, args=(names, scene.account))
    sweep.start()
    sweep.join(60)
    assert sweep.exitcode == 137
    assert scene.agent_words() == ["completed"]
    assert scene.get(TaskRun, run).seen == seen
    with pytest.raises(LeaseError):
        reconcile.reconcile_account(scene.account, full=True)
    scene.later(timing().lease)
    reconcile.reconcile_account(scene.account)
    assert scene.agent_words() == scene.unit_words() == ["completed"] * 3
    assert scene.findings() == []
