"""What is due becomes messages: a bounded window of them, fair, urgent first; a broker that is away costs nothing."""

import json
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

import pytest
import redis
from sqlalchemy import insert, update

from cli import valkey
from models.operation import Operation, State
from models.requester import Requester
from models.session import transaction
from models.settings import settings
from providers.contract import Kind, Repeat
from providers.prolific import calls
from tasks import claims, dispatch, engine, execute, pacing
from tasks.celery import MONEY, app
from tests.integration.scene import Scene


def ids(messages):
    return [one for _, _, some in messages for one in some]


def names(messages):
    return [name for _, name, _ in messages]


@pytest.fixture
def broker(broker_url):
    """A client of the test's broker."""
    assert broker_url
    with redis.Redis(unix_socket_path=str(settings().socket_dir / "valkey.sock"), decode_responses=True) as client:
        yield client


@pytest.fixture
def one_by_one(monkeypatch):
    """Approvals as a vendor would take them that knows no batches and no lanes."""
    monkeypatch.setitem(calls.KINDS, "approve", Kind("approve", Repeat.ABSORBING, urgent=True))


def test_what_is_due_is_nudged_and_what_waits_is_not(scene):
    scene.plan(2)
    messages = dispatch.take()
    assert messages == [("prolific", "draft.prolific", [scene.only("draft").id])]


def test_nothing_is_nudged_twice_within_the_window(scene, timing):
    scene.plan(2)
    assert len(dispatch.take()) == 1
    scene.later(timing().nudge_window - 2)
    assert dispatch.take() == []
    scene.later(2.5)
    assert len(dispatch.take()) == 1


def test_dispatchers_at_once_do_not_nudge_the_same(scene):
    for number in range(12):
        scene.plan(1, f"run {number}")
    together = Barrier(4)

    def take(_):
        together.wait()
        return ids(dispatch.take())

    with ThreadPoolExecutor(4) as pool:
        nudged = [one for some in pool.map(take, range(4)) for one in some]
    assert sorted(nudged) == sorted(row.id for row in scene.operations("draft"))


@pytest.mark.usefixtures("one_by_one")
def test_a_window_of_the_accounts_pace_is_out_at_a_time(scene):
    run = scene.live(30)
    scene.approve(run, *scene.completed(run, 30))
    with transaction() as session:
        session.execute(update(Requester).values(rate=1.0))
    first = ids(dispatch.take())
    assert len(first) == dispatch.WINDOW + 1
    assert dispatch.take() == []


@pytest.mark.usefixtures("one_by_one")
def test_runs_take_turns(scene):
    first, second = scene.live(20, "first"), scene.live(5, "second")
    for run, size in ((first, 20), (second, 5)):
        scene.approve(run, *scene.completed(run, size))
    with transaction() as session:
        session.execute(update(Requester).values(rate=1.0))
    (_, _, nudged), *_ = dispatch.take()
    share = Counter(scene.get(Operation, one).run_id for one in nudged)
    assert share[second] == 5


def test_urgent_kinds_go_first(scene):
    run = scene.live(1)
    scene.plan(1, "later")
    scene.approve(run, *scene.completed(run))
    assert names(dispatch.take()) == ["approve.prolific", "draft.prolific"]


def test_money_has_a_queue_of_its_own(scene):
    run = scene.live(1)
    scene.approve(run, *scene.completed(run))
    assert [queue for queue, *_ in dispatch.take()] == [MONEY]


def test_a_lane_gets_one_request_at_a_time(scene, monkeypatch):
    monkeypatch.setitem(calls.KINDS, "approve", Kind("approve", Repeat.ABSORBING, batch=3, lane="wallet", urgent=True))
    run = scene.live(7)
    scene.approve(run, *scene.completed(run, 7))
    (first,) = dispatch.take()
    assert len(first[2]) == 3
    (claim,) = claims.claim(first[2])
    assert dispatch.take() == []
    engine.carry_out(claim)
    (second,) = dispatch.take()
    assert len(second[2]) == 3
    assert not set(second[2]) & set(first[2])


def test_a_batch_holds_one_run_and_no_more_than_the_vendor_takes(scene, monkeypatch):
    monkeypatch.setitem(calls.KINDS, "launch", Kind("launch", Repeat.ABSORBING, batch=4, per_run=True))
    for name in ("one", "two"):
        scene.plan(6, name)
    while scene.states("publish") != {State.CONFIRMED}:
        for _, _, members in dispatch.take():
            execute.run(members)
        scene.later(15)
    scene.later(15)
    messages = [members for _, name, members in dispatch.take() if name == "launch.prolific"]
    assert sorted(map(len, messages)) == [2, 2, 4, 4]
    assert all(len({scene.get(Operation, one).run_id for one in members}) == 1 for members in messages)


def test_a_paused_account_is_not_nudged_and_the_others_are(scene):
    other = Scene(scene.simulator, "other lab")
    for each in (scene, other):
        each.plan(1)
    pacing.pause(scene.account, "somebody looks into it", None)
    assert [scene.get(Operation, one).requester_id for one in ids(dispatch.take())] == [other.account]


def test_an_account_whose_provider_is_not_installed_does_not_stop_the_others(scene):
    scene.plan(1)
    with transaction() as session:
        gone = {"id": uuid4(), "provider_type": "gone", "name": "lab", "credential": "env:GONE", "facts": {}, "rate": 1}
        session.execute(insert(Requester).values(gone))
        session.add(Operation(requester_id=gone["id"], kind="launch", target="x", key="1", body={}))
    assert names(dispatch.take()) == ["draft.prolific"]


def test_messages_hold_ids_and_show_kind_and_vendor(scene, broker):
    scene.plan(1)
    dispatch.publish(dispatch.take())
    message = json.loads(broker.rpop("crowdops:prolific"))
    assert message["headers"]["shadow"] == "draft.prolific"
    assert message["headers"]["argsrepr"] == repr(([str(scene.only("draft").id)],))


def test_a_broker_that_is_away_neither_raises_nor_keeps_anybody_waiting(scene, caplog):
    scene.plan(1)
    valkey.stop(signal.SIGKILL)
    started = time.monotonic()
    dispatch.wake()
    dispatch.publish(dispatch.take())
    assert time.monotonic() - started < 2
    assert "1 nudges are put off" in caplog.text
    assert "starts when it is back" in caplog.text


def test_a_broker_that_came_back_empty_is_published_to_again(scene, broker, timing):
    scene.plan(1)
    dispatch.publish(dispatch.take())
    valkey.stop(signal.SIGKILL)
    valkey.start(empty=True)
    assert broker.llen("crowdops:prolific") == 0
    scene.later(timing().nudge_window + 1)
    dispatch.dispatch()
    assert broker.llen("crowdops:prolific") == 1


def test_a_task_that_must_wait_comes_back_through_celery(scene, broker):
    """Its pace is used up, so it asks Celery for a retry, and takes the same ids with it."""
    scene.plan(1)
    with transaction() as session:
        session.execute(update(Requester).values(tokens=0.0, rate=1.0))
    waiting = execute.run([scene.only("draft").id])
    assert waiting.ids == [scene.only("draft").id]
    assert 0 < waiting.seconds <= 1
    assert broker.llen("crowdops:prolific") == 0
    assert app.tasks["crowdops.execute"].max_retries is None
