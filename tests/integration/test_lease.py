"""One round an account at a time: who comes second leaves, who is too slow stops, and who died lets go."""

import pytest

from tasks import lease, reconcile
from tasks.lease import LeaseError
from tests.integration.scene import COUNTS


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
