"""A worker at the page of a full run gets the unit of whoever left, and the vendor is asked no more than needed.

Whatever it is asked goes at the account's pace, and nothing is asked while the account is paused.
"""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from models.agent import Agent
from models.clock import stopwatch
from models.requester import Requester
from models.session import transaction
from providers.errors import ThrottledError
from providers.errors import UnknownError as NoAnswerError
from tasks import asking, pacing
from tasks.arrival import arrive, known
from tasks.refusal import BusyError, PausedError
from tests.integration.scene import COUNTS, LISTING
from tests.integration.test_arrival import READ, run, worker

__all__ = ["run", "worker"]


def bucket(scene, rate, tokens):
    """Set what the account's bucket holds and how fast it fills."""
    with transaction() as session:
        row = session.get_one(Requester, scene.account)
        row.rate, row.tokens, row.tokens_at = rate, tokens, pacing.now()


@pytest.mark.parametrize("word", ["RETURNED", "TIMED-OUT"])
def test_who_takes_the_place_of_somebody_who_left_unseen_gets_the_unit_that_was_left(scene, run, worker, word):
    people = [worker() for _ in range(3)]
    left = [arrive(run, *person) for person in people][1]
    scene.simulator.state.set_status(people[1][0], word)
    assert arrive(run, *worker()).data == left.data
    assert scene.unit_words() == ["assigned"] * 3
    assert sorted(scene.agent_words()) == ["in task"] * 3 + [{"RETURNED": "returned"}.get(word, "timeout")]
    assert scene.findings() == []


def test_of_two_who_come_at_once_to_one_free_unit_the_other_gets_what_was_left_unseen(scene, run, worker):
    people = [worker() for _ in range(2)]
    left, _ = (arrive(run, *person) for person in people)
    scene.simulator.state.set_status(people[0][0], "RETURNED")
    coming, gate = [worker() for _ in range(2)], Barrier(2)

    def come(person):
        gate.wait()
        return arrive(run, *person)

    with ThreadPoolExecutor(2) as pool:
        arrived = list(pool.map(come, coming))
    assert left.data in [one.data for one in arrived]
    assert scene.unit_words() == ["assigned"] * 3
    assert scene.findings() == []


def full(scene, run, worker):
    """Give all three units away, and let a few people more in: who has come."""
    scene.simulator.state.study(scene.study(run)).fields |= {"total_available_places": 5}
    people = [worker() for _ in range(3)]
    for person in people:
        arrive(run, *person)
    return people


def test_who_left_is_asked_for_only_where_no_unit_is_free(scene, run, worker):
    full(scene, run, worker)
    assert (scene.calls(COUNTS), scene.calls(LISTING)) == (0, 0)


def test_who_left_is_listed_only_where_the_vendor_counts_more_of_them_than_we_do(scene, run, worker):
    people = full(scene, run, worker)
    arrive(run, *worker())
    assert (scene.calls(COUNTS), scene.calls(LISTING)) == (1, 0)
    for person in people[:2]:
        scene.simulator.state.set_status(person[0], "RETURNED")
    scene.reconcile(run)
    listings = scene.calls(LISTING)
    for _ in range(3):
        arrive(run, *worker())
    assert scene.calls(LISTING) == listings


def test_the_lists_of_who_left_are_read_until_they_are_found(scene, run, worker):
    people = full(scene, run, worker)
    scene.simulator.state.set_status(people[0][0], "RETURNED")
    arrive(run, *worker())
    assert scene.calls(LISTING) == 1
    assert scene.unit_words() == ["assigned"] * 3


@pytest.mark.parametrize("broken", [COUNTS, LISTING])
def test_who_comes_to_a_full_run_gets_something_to_do_although_nobody_says_who_left(scene, run, worker, broken):
    people = full(scene, run, worker)
    scene.simulator.state.set_status(people[0][0], "RETURNED")
    scene.fault(broken, "500_before")
    assert arrive(run, *worker()).data
    assert scene.unit_words() == ["assigned"] * 4


def test_a_paused_account_is_not_used_for_who_is_new_and_who_is_known_gets_their_data_again(scene, run, worker):
    someone, new = worker(), worker()
    first = arrive(run, *someone)
    pacing.pause(scene.account, "the token is refused", None)
    with pytest.raises(PausedError):
        arrive(run, *new)
    assert arrive(run, *someone) == first
    assert scene.calls(READ) == 1
    pacing.resume(scene.account)
    assert arrive(run, *new).data


def test_what_is_asked_goes_at_the_accounts_pace(scene, run, worker, monkeypatch):
    bucket(scene, rate=50.0, tokens=0.0)
    assert arrive(run, *worker()).data
    monkeypatch.setattr(asking, "TURN", 0.2)
    bucket(scene, rate=0.2, tokens=0.0)
    with pytest.raises(BusyError):
        arrive(run, *worker())
    assert scene.calls(READ) == 1
    bucket(scene, rate=0.2, tokens=1.0)
    assert arrive(run, *worker()).data
    assert scene.get(Requester, scene.account).tokens < 1


def test_a_throttled_look_makes_the_accounts_pace_smaller(scene, run, worker):
    before = scene.get(Requester, scene.account).rate
    scene.fault(READ, "429")
    with pytest.raises(ThrottledError):
        arrive(run, *worker())
    assert scene.get(Requester, scene.account).rate == pytest.approx(before * pacing.SLOWER)


def test_a_worker_waits_for_the_vendor_for_less_long_than_the_fleet_does(scene, run, worker, monkeypatch):
    monkeypatch.setattr(asking, "PATIENCE", 0.5)
    scene.fault(READ, "hang_before")
    began = stopwatch()
    with pytest.raises(NoAnswerError):
        arrive(run, *worker())
    assert stopwatch() - began < 5
    assert scene.all(Agent) == []


def test_who_is_not_known_is_not_asked_for_where_only_who_is_known_was_wanted(scene, run, worker):
    someone = worker()
    assert known(run, *someone) is None
    assert scene.calls(READ) == 0
    assert arrive(run, *someone) == known(run, *someone)
