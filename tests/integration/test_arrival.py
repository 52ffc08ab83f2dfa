"""A worker gets the data of their unit, hands it in once, and nobody gets somebody else's."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest

from models.agent import Agent
from models.session import transaction
from models.status import AgentStatus
from models.unit import Unit
from models.worker import Worker
from providers.errors import UnknownError as NoAnswerError
from tasks.arrival import arrive
from tasks.handin import hand_in
from tasks.refusal import ConflictError, OverError, RefusedError, UnknownError
from tests.integration.scene import Scene, spec

READ = "GET submissions/{id}/"


@pytest.fixture
def run(scene):
    """A run of three units that recruits."""
    return scene.live(3)


@pytest.fixture
def worker(scene, run):
    """A function that lets somebody take a place and open the page: their submission and their name."""

    def come(*, started=True, study=None):
        submission = scene.simulator.state.take_place(study or scene.study(run))
        if started:
            scene.simulator.state.start(submission.id)
        return submission.id, submission.participant

    return come


def test_who_arrives_gets_the_data_of_one_unit_and_the_same_again(scene, run, worker):
    first = arrive(run, *worker())
    second_worker = worker()
    second = arrive(run, *second_worker)
    again = arrive(run, *second_worker)
    assert second == again
    assert first.agent_id != second.agent_id
    assert sorted([first.data["row"], second.data["row"]]) == [0, 1]
    assert scene.agent_words() == ["in task"] * 2
    assert scene.unit_words() == ["assigned", "assigned", "launched"]
    assert scene.calls(READ) == 2


def test_a_reconcile_finds_nothing_new_about_who_has_arrived(scene, run, worker):
    submission, name = worker()
    arrived = arrive(run, submission, name)
    scene.reconcile(run)
    assert [agent.id for agent in scene.all(Agent)] == [arrived.agent_id]
    assert scene.findings() == []


def test_arriving_and_being_seen_at_the_same_moment_make_one_agent_with_one_unit(scene, run, worker):
    workers = [worker() for _ in range(3)]
    together = Barrier(8)

    def act(number):
        together.wait()
        if number < 2:
            return scene.reconcile(run, full=True)
        return arrive(run, *workers[number % 3])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(act, range(8)))
    assert scene.agent_words() == ["in task"] * 3
    assert scene.unit_words() == ["assigned"] * 3
    assert scene.findings() == []


def test_a_submission_that_the_study_does_not_have_is_refused(scene, run):
    with pytest.raises(UnknownError):
        arrive(run, "f" * 24, "e" * 24)
    assert scene.all(Agent) == []


def test_a_submission_of_another_study_is_refused(scene, run, worker):
    other = scene.live(1, "another run")
    with pytest.raises(UnknownError):
        arrive(run, *worker(study=scene.study(other)))
    assert scene.all(Agent) == []


def test_what_is_no_id_is_refused_and_never_sent(scene, run):
    calls = scene.simulator.total_calls()
    with pytest.raises(UnknownError):
        arrive(run, "../studies", "e" * 24)
    assert scene.simulator.total_calls() == calls


def test_an_answer_that_comes_late_stays_with_the_data_that_it_answers(scene, run, worker):
    arrive(run, *worker())
    submission, name = worker()
    late = arrive(run, submission, name)
    scene.simulator.state.set_status(submission, "TIMED-OUT")
    scene.reconcile(run)
    arrive(run, *worker())
    hand_in(run, late.agent_id, late.token, "C0DE", {"answer_to": late.data})
    scene.simulator.state.finish(submission)
    scene.reconcile(run)
    with transaction() as session:
        agent = session.get_one(Agent, late.agent_id)
        assert agent.unit.assignment.data == agent.data["answer_to"]
        assert agent.unit.agent_id == agent.id


@pytest.mark.parametrize("known", [False, True])
def test_somebody_elses_submission_is_refused(scene, run, worker, known):
    submission, name = worker()
    if known:
        arrive(run, submission, name)
    with pytest.raises(RefusedError, match="somebody else's"):
        arrive(run, submission, "e" * 24)
    assert len(scene.all(Agent)) == known


@pytest.mark.parametrize("word", ["AWAITING REVIEW", "APPROVED", "REJECTED", "RETURNED", "TIMED-OUT"])
def test_a_submission_that_is_over_gets_no_data(scene, run, worker, word):
    submission, name = worker()
    scene.simulator.state.set_status(submission, word)
    with pytest.raises(RefusedError, match="no work to do"):
        arrive(run, submission, name)
    assert scene.all(Agent) == []


def test_who_returned_it_and_comes_back_gets_no_data_although_we_knew_them(scene, run, worker):
    submission, name = worker()
    arrive(run, submission, name)
    scene.simulator.state.set_status(submission, "RETURNED")
    scene.reconcile(run)
    with pytest.raises(RefusedError, match="no work to do"):
        arrive(run, submission, name)


def test_a_vendor_that_does_not_answer_leaves_nothing_behind(scene, run, worker):
    visitor = worker()
    scene.fault(READ, "500_before")
    with pytest.raises(NoAnswerError):
        arrive(run, *visitor)
    assert scene.all(Agent) == scene.all(Worker) == []
    assert arrive(run, *visitor).data


def test_more_workers_than_units_all_get_something_to_do(scene, run, worker):
    scene.simulator.state.study(scene.study(run)).fields |= {"total_available_places": 5}
    arrived = [arrive(run, *worker()) for _ in range(5)]
    assert len({arrival.agent_id for arrival in arrived}) == 5
    assert all("row" in arrival.data for arrival in arrived)
    assert scene.unit_words() == ["assigned"] * 5
    assert len(scene.findings()) == 2


@pytest.mark.parametrize("word", ["ACTIVE", "TIMED-OUT", "AWAITING REVIEW"])
def test_who_may_still_hand_in_may_open_the_page_again_and_is_led_on_once_they_have(scene, run, worker, word):
    submission, name = worker()
    first = arrive(run, submission, name)
    scene.simulator.state.set_status(submission, word)
    scene.reconcile(run)
    assert arrive(run, submission, name) == first
    there = hand_in(run, first.agent_id, first.token, "C0DE", {"answer": 1})
    assert (first.submitted, first.redirect) == (False, None)
    assert arrive(run, submission, name) == replace(first, submitted=True, redirect=there)
    assert scene.calls(READ) == 1


def test_who_has_handed_in_is_sent_on_with_the_code_that_they_handed_in(scene, worker):
    args = spec("two ends").args | {"completion_codes": ["C0DE", "0THER"]}
    run = scene.live(1, "two ends", args=args)
    submission, name = worker(study=scene.study(run))
    first = arrive(run, submission, name)
    hand_in(run, first.agent_id, first.token, "0THER", {})
    assert arrive(run, submission, name).redirect.endswith("complete?cc=0THER")


def test_nobody_learns_from_us_what_was_decided_about_them(run, worker):
    submission, name = worker()
    first = arrive(run, submission, name)
    hand_in(run, first.agent_id, first.token, "C0DE", {})
    for status in (AgentStatus.COMPLETED, AgentStatus.REJECTED, AgentStatus.SOFT_REJECTED):
        with transaction() as session:
            session.get_one(Agent, first.agent_id).status = status
    with pytest.raises(OverError, match=r"^This submission has been reviewed, so there is no work to do for it\.$"):
        arrive(run, submission, name)


def test_what_is_handed_in_is_kept_once_and_the_vendor_says_when_it_is_complete(scene, run, worker):
    submission, name = worker()
    arrived = arrive(run, submission, name)
    there = hand_in(run, arrived.agent_id, arrived.token, "C0DE", {"answer": "left"})
    assert there.endswith("complete?cc=C0DE")
    assert hand_in(run, arrived.agent_id, arrived.token, "C0DE", {"answer": "left"}) == there
    with pytest.raises(ConflictError):
        hand_in(run, arrived.agent_id, arrived.token, "C0DE", {"answer": "right"})
    (agent,) = scene.all(Agent)
    assert (agent.data, agent.status) == ({"answer": "left"}, AgentStatus.IN_TASK)
    assert agent.submitted_at is not None
    scene.simulator.state.finish(submission)
    scene.reconcile(run)
    assert scene.agent_words() == ["completed"]


def test_a_wrong_code_is_refused(scene, run, worker):
    arrived = arrive(run, *worker())
    with pytest.raises(RefusedError, match="not a completion code"):
        hand_in(run, arrived.agent_id, arrived.token, "GUESS", {"answer": "left"})
    assert scene.all(Agent)[0].data is None


@pytest.mark.parametrize(("word", "kept"), [("TIMED-OUT", True), ("AWAITING REVIEW", True), ("RETURNED", False)])
def test_what_comes_late_is_kept_and_what_was_given_back_is_not(scene, run, worker, word, kept):
    submission, name = worker()
    arrived = arrive(run, submission, name)
    scene.simulator.state.set_status(submission, word)
    scene.reconcile(run)
    if kept:
        hand_in(run, arrived.agent_id, arrived.token, "C0DE", {"answer": "left"})
    else:
        with pytest.raises(RefusedError, match="was returned"):
            hand_in(run, arrived.agent_id, arrived.token, "C0DE", {"answer": "left"})
    assert (scene.all(Agent)[0].data is not None) == kept


def test_an_agent_of_another_run_is_not_known(scene, run, worker):
    arrived = arrive(run, *worker())
    other = scene.plan(1, "another run")
    with pytest.raises(UnknownError):
        hand_in(other, arrived.agent_id, arrived.token, "C0DE", {})


def test_another_account_with_the_same_vendor_has_agents_of_its_own(scene, run, worker):
    arrive(run, *worker())
    other = Scene(scene.simulator, "shop")
    assert other.account != scene.account
    assert {agent.requester_id for agent in scene.all(Agent)} == {scene.account}
    assert len(scene.all(Unit, Unit.agent_id.isnot(None))) == 1
