"""A report explains how every unit ended, and whatever our rows and the vendor's do not agree on is a problem."""

from dataclasses import replace

import pytest
from sqlalchemy import update

from cli import fate, report, stage
from models import recruit, review
from models.agent import Agent
from models.discrepancy import Finding
from models.discrepancy import report as find
from models.session import transaction
from models.status import UnitStatus
from models.task_run import TaskRun
from models.unit import Unit

MESSAGE = "The descriptions are single words, although two to four whole sentences were asked for in the task. " * 2


@pytest.fixture
def told(scene):
    """A function that reports on runs."""
    state = scene.simulator.state
    played = stage.Stage(scene.simulator.url, state.workspace, state.project, simulated=True)

    def made(*runs, **changes):
        return report.report(runs, replace(played, **changes), [])

    return made


@pytest.fixture
def over(scene):
    """A run of five: one approved, one approved at the vendor, one rejected, one given back, one never taken."""
    run = scene.live(5)
    first, second, third = scene.completed(run, 3)
    returned = scene.simulator.state.take_place(scene.study(run)).id
    scene.reconcile(run)
    by_hand(scene, second)
    scene.simulator.state.set_status(returned, "RETURNED")
    scene.approve(run, first)
    reject(scene, run, third)
    expire(scene, run)
    scene.reconcile(run)
    return run


def by_hand(scene, submission):
    """Somebody approves work in the vendor's own pages."""
    scene.simulator.state.set_status(submission, "APPROVED")
    scene.simulator.reviewer.decided["APPROVED"] += 1


def reject(scene, run, submission):
    """Plan a rejection."""
    agents = scene.all(Agent, Agent.submission == submission)
    with transaction() as session:
        review.reject(session.get_one(TaskRun, run), agents, "LOW_EFFORT", MESSAGE)


def expire(scene, run):
    """End a run, and carry out what is planned."""
    with transaction() as session:
        recruit.expire(session.get_one(TaskRun, run))
    scene.settle()


def test_every_unit_is_explained(over, told):
    made = told(over)
    assert made.problems == []
    assert sorted((one.status, one.why) for one in made.units) == [
        ("accepted", "approved"),
        ("accepted", "approved in the vendor's pages"),
        ("expired", "given back (returned), and nobody had taken it again when the run was expired"),
        ("expired", "nobody had taken it when the run was expired"),
        ("rejected", f'rejected as LOW_EFFORT: "{MESSAGE}"'),
    ]
    assert [(status, number) for _, status, number, _ in fate.grouped(made.units)] == [
        ("expired", 1),
        ("expired", 1),
        ("rejected", 1),
    ]
    assert made.people == {"returned": 1, "approved": 2, "rejected": 1}
    assert made.ours == made.theirs == {"draft": 1, "publish": 1, "places": 5, "stop": 1, "approve": 1, "reject": 1}
    assert made.by_hand == 1


def test_two_runs_are_told_apart(scene, over, told):
    other = scene.live(1, "other")
    scene.approve(other, *scene.completed(other))
    scene.settle()
    made = told(over, other)
    assert made.problems == []
    assert [one.why for one in made.units if one.run == "other"] == ["approved"]
    assert made.theirs["places"] == 6
    assert any("which no run knows" in line for line in told(over).problems)


def test_who_stands_elsewhere_at_the_vendor_is_a_problem(scene, over, told):
    (agent,) = [agent for agent in scene.all(Agent) if str(agent.status) == "rejected"]
    scene.simulator.state.set_status(agent.submission, "RETURNED")
    (problem, *_) = told(over).problems
    assert problem == f"submission {agent.submission} is rejected by our rows, returned at the vendor"


def test_somebody_of_whom_we_do_not_know_is_a_problem(scene, told):
    run = scene.live(1)
    (unseen,) = scene.hand_in(run)
    problems = told(run).problems
    assert f"submission {unseen} is unknown by our rows, completed at the vendor" in problems
    assert any("is launched, and nothing explains it" in line for line in problems)


def test_an_effect_that_happened_twice_is_a_problem(scene, over, told):
    (effect,) = scene.effects("submission_rejected")
    scene.simulator.state.ledger.append(effect)
    assert told(over).problems == [f"reject {effect.submission}: 1 by our rows, 2 at the vendor"]


def test_an_approval_that_nobody_made_is_a_problem(scene, over, told):
    (effect,) = scene.effects("approve")
    scene.simulator.state.ledger.remove(effect)
    assert told(over).problems == [
        "2 decisions have no effect in the ledger, but 1 were made in the vendor's pages",
    ]


def test_what_was_done_to_no_study_belongs_to_no_run(scene, over, told):
    state = scene.simulator.state
    state.record("group_created", participants=["somebody"])
    assert told(over).problems == []


def test_a_unit_that_expired_although_nobody_ended_the_run_is_a_problem(scene, told):
    run = scene.live(2)
    scene.approve(run, *scene.completed(run))
    scene.settle()
    with transaction() as session:
        waiting = update(Unit).where(Unit.status == UnitStatus.LAUNCHED)
        session.execute(waiting.values(status=UnitStatus.EXPIRED))
    (problem,) = told(run).problems
    assert "is expired, and nothing explains it" in problem


def test_a_unit_whose_place_somebody_holds_who_came_late_is_explained(scene, told):
    run = scene.live(2)
    state, study = scene.simulator.state, scene.study(run)
    late, second = state.take_place(study).id, state.take_place(study).id
    scene.reconcile(run)
    state.set_status(late, "TIMED-OUT")
    scene.reconcile(run)
    scene.completed(run)
    state.finish(late)
    scene.reconcile(run)
    state.set_status(second, "RETURNED")
    scene.reconcile(run)
    scene.approve(run)
    scene.settle()
    scene.reconcile(run)
    made = told(run)
    assert made.problems == []
    (why,) = [one.why for one in made.units if one.status == "expired"]
    assert why.startswith("given back (returned), and nobody had taken it again, while somebody beyond the plan held")
    assert [one.surplus for one in made.units if one.status == "accepted"].count(True) == 1


def test_a_rejection_that_came_after_an_approval_in_the_vendors_pages_is_told(scene, told):
    run = scene.live(2)
    (submission,) = scene.completed(run)
    reject(scene, run, submission)
    by_hand(scene, submission)
    expire(scene, run)
    scene.reconcile(run)
    made = told(run)
    assert made.problems == []
    assert len(made.overtaken) == 1
    assert {one.why for one in made.units if one.status == "accepted"} == {"approved in the vendor's pages"}


def test_work_without_an_answer_is_a_problem_where_the_crowd_comes_through_the_door(scene, over, told):
    scene.simulator.crowd.browser = scene.simulator.browser
    assert told(over).problems == ["3 people finished, but 0 answers were handed in"]


def test_what_is_strange_is_a_problem(scene, over, told):
    agent, *_ = scene.all(Agent)
    with transaction() as session:
        find(session, scene.account, Finding.SURPLUS, agent.id, "more people than units")
        find(session, scene.account, Finding.VANISHED, agent.id, "gone")
    (problem,) = told(over).problems
    assert problem.endswith(f"vanished about {agent.id}: gone")
