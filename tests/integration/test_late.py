"""Whoever comes back after the time was up gets the unit again that the work was done for, or one beside it."""

import pytest

from models.agent import Agent
from models.discrepancy import Finding
from models.unit import Unit


def test_who_finishes_late_when_the_unit_is_taken_is_a_surplus_and_still_paid(scene):
    run, state = scene.live(1), scene.simulator.state
    late = state.take_place(scene.study(run)).id
    scene.reconcile(run)
    state.set_status(late, "TIMED-OUT")
    scene.completed(run)
    assert scene.findings() == []
    state.finish(late)
    scene.reconcile(run)
    assert scene.findings() == [Finding.SURPLUS]
    scene.approve(run)
    scene.settle()
    assert len(scene.effects("approve")) == 2


@pytest.mark.parametrize("also_back", [False, True])
def test_who_comes_late_gets_the_unit_back_that_is_given_up_at_the_same_moment(scene, also_back):
    """Two had the same unit one after the other; of those who come back at once, one gets it and one another."""
    run, state = scene.live(1), scene.simulator.state
    first = state.take_place(scene.study(run)).id
    scene.reconcile(run)
    state.set_status(first, "TIMED-OUT")
    scene.reconcile(run)
    second = state.take_place(scene.study(run)).id
    scene.reconcile(run)
    if also_back:
        state.set_status(second, "TIMED-OUT")
        scene.reconcile(run)
        state.finish(second)
    else:
        state.set_status(second, "RETURNED")
    state.finish(first)
    scene.reconcile(run)
    units = {agent.submission: agent.unit_id for agent in scene.all(Agent)}
    holders = {unit.id: unit.agent_id for unit in scene.all(Unit)}
    by_submission = {agent.submission: agent.id for agent in scene.all(Agent)}
    assert holders[units[first]] == by_submission[first]
    if also_back:
        assert holders[units[second]] == by_submission[second]
    assert scene.unit_words() == ["completed"] * (1 + also_back)


def test_work_that_comes_late_goes_back_to_the_very_unit_that_it_was_done_for(scene):
    run, state = scene.live(2), scene.simulator.state
    people = [state.take_place(scene.study(run)).id for _ in range(2)]
    scene.reconcile(run)
    units = {agent.submission: agent.unit_id for agent in scene.all(Agent)}
    for submission in people:
        state.set_status(submission, "TIMED-OUT")
    scene.reconcile(run)
    for submission in reversed(people):
        state.finish(submission)
        scene.reconcile(run)
    assert {agent.submission: agent.unit_id for agent in scene.all(Agent)} == units
    assert scene.unit_words() == ["completed"] * 2
    assert scene.findings() == []
