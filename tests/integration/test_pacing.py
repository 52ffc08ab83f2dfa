"""One pace for the whole fleet: tokens are never granted twice, and what the vendor answers moves the rate."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from models.attempt import AttemptOutcome
from models.requester import Requester
from models.session import transaction
from tasks import pacing


@pytest.fixture
def bucket(scene):
    """A function that sets what the account's bucket holds and how fast it fills."""

    def fill(rate, tokens):
        with transaction() as session:
            row = session.get_one(Requester, scene.account)
            row.rate, row.tokens, row.tokens_at = rate, tokens, pacing.now()

    return fill


def rate(scene):
    return scene.get(Requester, scene.account).rate


def test_requests_are_granted_until_the_bucket_is_empty(scene, bucket):
    bucket(rate=0.1, tokens=1.0)
    assert pacing.take(scene.account, 5)[0] == 1
    granted, wait = pacing.take(scene.account, 5)
    assert granted == 0
    assert 0 < wait <= 10


def test_the_bucket_fills_at_the_rate_and_holds_one_second(scene, bucket):
    bucket(rate=0.1, tokens=0.0)
    scene.later(5)
    assert pacing.take(scene.account, 100)[0] == 0
    scene.later(5)
    assert pacing.take(scene.account, 100)[0] == 1
    bucket(rate=4.0, tokens=0.0)
    scene.later(60)
    assert pacing.take(scene.account, 100)[0] == 4


def test_a_rate_below_one_still_lets_one_request_through(scene, bucket):
    bucket(rate=0.2, tokens=0.0)
    assert pacing.take(scene.account, 1)[0] == 0
    scene.later(5)
    assert pacing.take(scene.account, 1)[0] == 1


def test_takers_at_once_never_get_more_than_there_is(scene, bucket):
    bucket(rate=0.01, tokens=1.0)
    with ThreadPoolExecutor(8) as pool:
        granted = sum(count for count, _ in pool.map(lambda _: pacing.take(scene.account, 1), range(16)))
    assert granted == 1


def test_throttling_makes_the_rate_smaller_and_empties_the_bucket(scene, bucket):
    bucket(rate=0.5, tokens=1.0)
    pacing.learn(scene.account, AttemptOutcome.THROTTLED, None)
    assert rate(scene) == pytest.approx(0.5 * pacing.SLOWER)
    assert pacing.take(scene.account, 1)[0] == 0


def test_a_good_answer_makes_it_larger_again(scene, bucket):
    bucket(rate=10.0, tokens=0.0)
    pacing.learn(scene.account, AttemptOutcome.DONE, None)
    assert rate(scene) == pytest.approx(10 + pacing.FASTER)


def test_the_rate_stays_within_its_bounds(scene, bucket):
    bucket(rate=pacing.SLOWEST, tokens=0.0)
    pacing.learn(scene.account, AttemptOutcome.THROTTLED, None)
    assert rate(scene) == pacing.SLOWEST
    bucket(rate=pacing.FASTEST, tokens=0.0)
    pacing.learn(scene.account, AttemptOutcome.DONE, None)
    assert rate(scene) == pacing.FASTEST


def test_one_good_answer_ends_a_row_of_failures(scene):
    for outcome in [AttemptOutcome.UNKNOWN] * (pacing.STORM - 1) + [AttemptOutcome.DONE, AttemptOutcome.UNKNOWN]:
        pacing.learn(scene.account, outcome, "it broke")
    account = scene.get(Requester, scene.account)
    assert (account.failures, account.paused_reason) == (1, None)


def test_a_storm_does_not_shorten_the_pause_that_waits_for_a_person(scene):
    pacing.pause(scene.account, "the credential is refused", None)
    for _ in range(pacing.STORM):
        pacing.learn(scene.account, AttemptOutcome.UNKNOWN, "it broke")
    account = scene.get(Requester, scene.account)
    assert (account.paused_reason, account.paused_until) == ("the credential is refused", None)


def test_a_pause_that_has_passed_does_not_hold_back_the_next(scene):
    """The reason of an old pause is still in the row when a new storm comes."""
    pacing.pause(scene.account, "a storm", 30)
    scene.later(60)
    pacing.pause(scene.account, "another storm", 30)
    account = scene.get(Requester, scene.account)
    assert account.paused_reason == "another storm"
    assert 0 < scene.seconds_until(account.paused_until) <= 30
