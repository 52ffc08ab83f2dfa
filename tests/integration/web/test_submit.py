"""What a worker hands in at the task's page is kept once, and the browser is sent on to the vendor."""

import pytest
from sqlalchemy import select

from models import clock
from models.agent import Agent
from models.identity import agent_id
from models.session import transaction
from tests.integration.web.page import refused

BACK = "https://app.prolific.com/submissions/complete?cc=C0DE"
WORK = {"text": "Two bicycles at a wall.", "seconds": 41.5, "marks": [1, None, {"sure": True}]}


@pytest.fixture
def run(scene):
    """A run with two places."""
    return scene.live(2)


def test_work_is_kept_with_its_time_and_the_browser_goes_back_to_the_vendor(scene, run, door, agent):
    answer = door.submit(run, agent, WORK)
    assert (answer.status_code, answer.json()) == (200, {"redirect": BACK})
    kept = scene.get(Agent, agent)
    with transaction() as session:
        now = session.scalar(select(clock.now()))
    assert (kept.data, kept.status) == (WORK, "in task")
    assert 0 <= (now - kept.submitted_at).total_seconds() < 60


def test_the_same_again_changes_nothing(scene, run, door, agent):
    door.submit(run, agent, WORK)
    first = scene.get(Agent, agent).submitted_at
    scene.later(10)
    assert door.submit(run, agent, WORK).json() == {"redirect": BACK}
    assert scene.get(Agent, agent).submitted_at == first


def test_a_number_that_the_database_writes_otherwise_is_the_same_again(run, door, agent):
    work = {"guess": 1e23, "share": 0.1, "zero": -0.0, "whole": 3.0}
    assert door.submit(run, agent, work).status_code == door.submit(run, agent, work).status_code == 200


def test_something_else_is_a_conflict_and_what_came_first_is_kept(scene, run, door, agent):
    door.submit(run, agent, WORK)
    refused(door.submit(run, agent, {"text": "Something else."}), 409, "conflict", redirect=BACK)
    assert scene.get(Agent, agent).data == WORK


def test_a_wrong_code_is_refused(scene, run, door, agent):
    refused(door.submit(run, agent, WORK, code="NOPE"), 400, "wrong_code")
    assert scene.get(Agent, agent).data is None


@pytest.mark.parametrize("unknown", ["7b0f2c0e-52a4-5e0c-9c57-2d5f6a3e7b11", "not-an-id"])
def test_an_unknown_agent_is_refused(run, door, unknown):
    refused(door.submit(run, unknown, WORK, token=None), 404, "unknown")


def test_the_key_of_another_run_does_not_reach_an_agent(scene, door, agent):
    other = scene.live(1, "other")
    refused(door.submit(other, agent, WORK), 404, "unknown")
    assert scene.get(Agent, agent).data is None


def test_nothing_is_handed_in_for_a_submission_that_is_over(scene, run, door):
    submission = door.come(run)
    agent = door.arrive(run, submission).json()["id"]
    scene.simulator.state.set_status(submission, "RETURNED")
    scene.reconcile(run)
    refused(door.submit(run, agent, WORK), 410, "over")
    assert scene.get(Agent, agent).data is None


def test_who_is_late_may_still_hand_in(scene, run, door):
    submission = door.come(run)
    agent = door.arrive(run, submission).json()["id"]
    scene.simulator.state.set_status(submission, "TIMED-OUT")
    scene.reconcile(run)
    assert door.submit(run, agent, WORK).status_code == 200
    assert scene.get(Agent, agent).data == WORK


def test_without_the_token_that_came_with_the_work_nothing_is_handed_in(scene, run, door):
    submission, other = door.come(run), door.come(run)
    answer = door.arrive(run, submission).json()
    known = agent_id(scene.account, submission)
    assert answer["id"] == str(known)
    another = door.arrive(run, other).json()["token"]
    for token in (None, "", "nonsense", "\u00e9", another, answer["token"][:-1]):
        refused(door.submit(run, known, WORK, token=token), 403, "wrong_token")
        assert scene.get(Agent, known).data is None
    assert door.submit(run, known, WORK, token=answer["token"]).status_code == 200
    assert scene.get(Agent, known).data == WORK


def test_a_page_that_is_opened_again_gets_the_same_token(run, door):
    submission = door.come(run)
    assert door.arrive(run, submission).json()["token"] == door.arrive(run, submission).json()["token"]


def test_who_comes_back_after_handing_in_is_told_so_and_where_to_go(scene, run, door):
    submission = door.come(run)
    first = door.arrive(run, submission).json()
    door.submit(run, first["id"], WORK)
    assert door.arrive(run, submission).json() == first | {"submitted": True, "redirect": BACK}
    scene.simulator.state.set_status(submission, "TIMED-OUT")
    scene.reconcile(run)
    assert door.arrive(run, submission).json()["redirect"] == BACK
