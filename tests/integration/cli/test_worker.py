"""Workers are listed and shown, blocked and let in again; people are named only where that was asked for."""

import pytest

from models.operation import State
from models.worker import Worker
from tests.integration.scene import Scene


@pytest.fixture
def worker(scene):
    """Somebody who has worked for the account."""
    scene.completed(scene.live(1))
    return scene.all(Worker)[0]


def test_workers_are_listed_without_their_names_unless_asked_for(crowdops, data, scene, worker):
    scene.completed(scene.live(2, "other"), 2)
    assert {row["id"] for row in data("worker", "list")} == {str(row.id) for row in scene.all(Worker)}
    (row,) = data("worker", "list", "--run", "run")
    assert (row["id"], row["work"], row["blocked_by"]) == (str(worker.id), 1, [])
    assert worker.name not in crowdops("worker", "list")
    assert worker.name in crowdops("worker", "list", "--with-names")
    assert "There are more than 1" in crowdops("worker", "list", "--limit", "1")


def test_a_worker_is_blocked_shown_and_let_in_again(crowdops, data, scene, worker):
    told = data("worker", "block", worker.name, "--reason", "spam")
    assert (told["kind"], told["state"], told["planned"], told["account"]) == ("block", "planned", True, "lab")
    assert "There already: block for worker" in crowdops("worker", "block", worker.id, "--reason", "spam")
    assert "no, but a block is on its way" in crowdops("worker", "show", worker.id)
    scene.settle()
    assert data("worker", "list")[0]["blocked_by"] == ["lab"]
    shown = data("worker", "show", str(worker.id)[:8])
    assert (shown["name"], shown["work"]) == (worker.name, {"completed": 1})
    assert shown["blocked"] == {"lab": {"wanted": True, "confirmed": True}}
    assert [row["kind"] for row in shown["operations"]] == ["block"]
    crowdops("worker", "unblock", worker.id, "--reason", "a mistake", "--requester", "lab")
    assert "yes, but its end is on its way" in crowdops("worker", "show", worker.id)
    scene.settle()
    assert data("worker", "list")[0]["blocked_by"] == []
    assert f"Let worker {worker.id} take places again: a mistake" in crowdops(
        "ops", "explain", scene.only("unblock").id
    )


def test_what_cannot_be_is_told_without_naming_anybody(crowdops, scene, worker):
    told = crowdops("worker", "block", "f" * 24, "--reason", "spam", code=3)
    assert "There is no such worker" in told
    assert "f" * 24 not in told
    assert "--reason must say why" in crowdops("worker", "block", worker.id, "--reason", " ", code=2)
    told = crowdops("worker", "unblock", worker.name, "--reason", "x", code=2)
    assert "is not blocked by lab" in told
    assert worker.name not in told
    assert scene.states("block", "unblock") == set()


def test_the_operations_of_a_block_name_nobody(crowdops, scene, worker):
    Scene(scene.simulator, "shop", block_list=False)
    crowdops("worker", "block", worker.id, "--reason", "spam", "--requester", "shop")
    scene.settle()
    for kind in ("block", "group"):
        row = scene.only(kind)
        assert row.state is State.CONFIRMED
        assert worker.name not in crowdops("ops", "show", row.id) + crowdops("ops", "explain", row.id)
    assert worker.name not in crowdops("ops", "list")


def test_a_qualification_is_granted_changed_and_revoked_and_a_run_asks_for_it(crowdops, data, scene, run_file, worker):
    told = data("worker", "grant", worker.id, "score", "--value", "9")
    assert (told["before"], told["value"], told["operations"]) == (None, 9, [])
    file = run_file(qualifications="[{name: score, comparator: GreaterThan, value: 5}]")
    assert data("run", "launch", file)["operations"] == {"draft": 1, "publish": 1, "launch": 2}
    scene.settle()
    assert data("worker", "show", worker.name)["qualifications"] == {"score": 9}
    (change,) = data("worker", "grant", worker.id, "score", "--value", "5")["operations"]
    assert "out of a group of those who meet what runs ask for" in crowdops("ops", "explain", change)
    told = crowdops("worker", "revoke", worker.id, "score")
    assert "has nothing in score (before: 5)" in told
    assert "No group at the vendor changes" in told
    assert "There is no qualification 'skill'. Known: score" in crowdops("worker", "revoke", worker.id, "skill", code=3)
    for words in ((" ",), ("score", "--value", 10**18)):
        assert "Nothing was granted" in crowdops("worker", "grant", worker.id, *words, code=2)


def test_a_run_that_asks_for_what_nobody_was_granted_is_refused_also_when_it_is_rehearsed(crowdops, scene, run_file):
    for options in ((), ("--dry-run",)):
        told = crowdops("run", "launch", run_file(qualifications="[{name: score}]"), *options, code=3)
        assert "There is no qualification 'score'. Known: none." in told
    assert scene.operations() == []


def test_a_worker_is_sent_a_message_once(crowdops, data, scene, worker):
    told = data("worker", "message", worker.id, "--run", "run", "--text", "Thank you.")
    assert (told["kind"], told["planned"]) == ("message", True)
    assert "There already: message" in crowdops(
        "worker", "message", worker.name, "--run", "run", "--text", "Thank you."
    )
    scene.settle()
    assert len(scene.effects("message_sent")) == 1
    assert "about the study of run 'run': \"Thank you.\"" in crowdops("ops", "explain", told["operation"])
    assert "Nothing was planned" in crowdops("worker", "message", worker.id, "--run", "run", "--text", " ", code=2)
