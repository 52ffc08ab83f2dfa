"""A worker at the task's page gets the data of one unit, once, whoever else looks at the same moment."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import update

from models.agent import Agent
from models.assignment import Assignment
from models.session import transaction
from models.task_run import TaskRun
from models.unit import Unit
from tests.integration.web.page import LOOK, refused


def test_a_worker_gets_the_data_of_a_unit(scene, door):
    run = scene.live(2)
    answer = door.arrive(run, door.come(run))
    (agent,) = scene.all(Agent)
    assert answer.status_code == 200
    unit = scene.get(Unit, agent.unit_id)
    assert answer.json() == {
        "id": str(agent.id),
        "data": scene.get(Assignment, unit.assignment_id).data,
        "token": scene.token(agent.id),
        "submitted": False,
        "redirect": None,
    }
    assert (scene.agent_words(), scene.unit_words()) == (["in task"], ["assigned", "launched"])
    assert "server" not in answer.headers


def test_the_same_submission_again_gets_the_same_without_a_call_to_the_vendor(scene, door):
    run = scene.live(2)
    submission = door.come(run)
    first = door.arrive(run, submission)
    calls = scene.calls(LOOK)
    again = door.arrive(run, submission, submission=None, session=submission, run=None)
    assert (again.json(), scene.calls(LOOK)) == (first.json(), calls)
    assert scene.unit_words() == ["assigned", "launched"]


def test_the_run_may_be_called_by_its_name(scene, door):
    run = scene.live(1)
    assert door.arrive(run, door.come(run), run="run").status_code == 200


def test_without_the_key_of_a_page_nothing_is_told_and_nobody_asked(scene, door):
    run = scene.live(1)
    submission = door.come(run)
    known = str(door.arrive(run, submission).json()["id"])
    calls = scene.calls(LOOK)
    for said in (None, "Bearer", "Bearer no-such-key", f"Basic {door.key(run)}", door.key(run)):
        denied = {"Authorization": said}
        for asked in (submission, "0" * 24):
            answer = door.arrive(run, submission, headers=denied, submission=asked)
            refused(answer, 401, "unknown_key")
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        refused(door.submit(run, known, {}, headers=denied), 401, "unknown_key")
        refused(
            door.client.post("/api/v1/agents", headers=door.headers(run, **denied), content="x"), 401, "unknown_key"
        )
    assert scene.calls(LOOK) == calls


@pytest.mark.parametrize(
    ("field", "value", "name"),
    [
        ("provider", "mturk", "wrong_provider"),
        ("account", "other", "wrong_account"),
        ("run", "another", "wrong_run"),
    ],
)
def test_a_key_opens_its_own_run_only(scene, door, field, value, name):
    run = scene.live(1)
    refused(door.arrive(run, door.come(run), **{field: value}), 403, name)
    assert scene.all(Agent) == []


def test_a_submission_of_another_run_is_unknown_known_before_or_not(scene, door):
    mine, other = scene.live(1, "mine"), scene.live(1, "other")
    submission = door.come(other)
    refused(door.arrive(mine, submission), 404, "unknown")
    assert door.arrive(other, submission).status_code == 200
    refused(door.arrive(mine, submission), 404, "unknown")
    assert len(scene.all(Agent)) == 1


@pytest.mark.parametrize("asked", ["0" * 24, "../../users/me", "nonsense"])
def test_a_submission_that_the_vendor_does_not_know_is_unknown(scene, door, asked):
    run = scene.live(1)
    refused(door.arrive(run, door.come(run), submission=asked), 404, "unknown")
    assert scene.all(Agent) == []


def test_somebody_else_does_not_get_the_work_before_or_after(scene, door):
    run = scene.live(2)
    submission, other = door.come(run), door.come(run)
    stranger = scene.simulator.state.submission(other).participant
    refused(door.arrive(run, submission, worker=stranger), 403, "not_yours")
    assert scene.all(Agent) == []
    assert door.arrive(run, submission).status_code == 200
    refused(door.arrive(run, submission, worker=stranger), 403, "not_yours")


@pytest.mark.parametrize(("status", "words"), [("RETURNED", "returned"), ("APPROVED", "reviewed")])
def test_a_submission_that_is_over_gets_no_work(scene, door, status, words):
    run = scene.live(2)
    fresh, known = door.come(run), door.come(run)
    door.arrive(run, known)
    for submission in (fresh, known):
        scene.simulator.state.set_status(submission, status)
    scene.reconcile(run)
    for submission in (fresh, known):
        assert words in refused(door.arrive(run, submission), 410, "over")


def test_one_worker_gets_as_much_work_as_the_run_allows(scene, door):
    run = scene.live(3)
    state = scene.simulator.state
    state.study(scene.study(run)).fields["submissions_config"]["max_submissions_per_participant"] = 5
    first = door.come(run)
    second = door.come(run, state.submission(first).participant)
    assert door.arrive(run, first).status_code == 200
    refused(door.arrive(run, second), 409, "second_unit")
    assert len(scene.all(Agent)) == 1
    scene.reconcile(run)
    refused(door.arrive(run, second), 409, "second_unit")
    assert door.arrive(run, first).status_code == 200
    with transaction() as session:
        args = scene.get(TaskRun, run).args | {"maximum_units_per_worker": 2}
        session.execute(update(TaskRun).values(args=args))
    assert door.arrive(run, second).status_code == 200


def test_ten_arrivals_of_one_submission_at_once_are_one_agent_with_one_unit(scene, door):
    run = scene.live(3)
    submission, together = door.come(run), Barrier(10)

    def ask(_):
        together.wait()
        return door.arrive(run, submission)

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(ask, range(10)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert (len(scene.all(Agent)), scene.unit_words()) == (1, ["assigned", "launched", "launched"])
    assert scene.findings() == []


def test_an_arrival_and_a_listing_at_the_same_moment_make_one_agent(scene, door):
    run = scene.live(4)
    for _ in range(4):
        submission, together = door.come(run), Barrier(2)

        def look(together=together):
            together.wait()
            scene.reconcile(run, full=True)

        def ask(together=together, submission=submission):
            together.wait()
            return door.arrive(run, submission)

        with ThreadPoolExecutor(2) as pool:
            looking, asking = pool.submit(look), pool.submit(ask)
            looking.result()
            assert asking.result().status_code == 200
    assert (scene.agent_words(), scene.unit_words()) == (["in task"] * 4, ["assigned"] * 4)
    assert scene.findings() == []
