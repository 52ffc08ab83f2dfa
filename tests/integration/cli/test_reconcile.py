"""One agent is brought up to date with one read at the vendor, and nothing else is asked."""

import pytest

from models.agent import Agent
from models.discrepancy import Finding
from models.operation import State
from models.unit import Unit
from providers.errors import ProviderError
from tasks.sync import sync_one

LOOK = "GET submissions/{id}/"


def test_one_agent_is_brought_up_to_date_with_one_read(crowdops, data, scene):
    run, state = scene.live(2), scene.simulator.state
    first, second = (state.take_place(scene.study(run)).id for _ in range(2))
    scene.reconcile(run)
    for submission in (first, second):
        state.finish(submission)
    agent = scene.all(Agent, Agent.submission == first)[0]
    calls, looks = scene.simulator.total_calls(), scene.calls(LOOK)
    told = crowdops("reconcile", "--agent", str(agent.id)[:8])
    assert "is completed now" in told
    assert (scene.simulator.total_calls(), scene.calls(LOOK)) == (calls + 1, looks + 1)
    assert scene.get(Agent, agent.id).status == "completed"
    assert scene.all(Agent, Agent.submission == second)[0].status != "completed"
    other = scene.all(Agent, Agent.submission == second)[0]
    assert data("reconcile", "--unit", other.unit_id)["after"] == "completed"
    assert "is completed here, as before" in crowdops("reconcile", "--agent", agent.id)


def test_an_approval_that_is_seen_confirms_what_wanted_it(scene):
    run = scene.live(1)
    (submission,) = scene.completed(run)
    scene.approve(run)
    scene.simulator.state.set_status(submission, "APPROVED")
    done = sync_one(scene.all(Agent)[0].id)
    assert (done.before, done.after, done.word) == ("completed", "approved", "APPROVED")
    assert scene.states("approve") == {State.CONFIRMED}


def test_what_does_not_fit_is_put_on_record(crowdops, scene):
    run = scene.live(1)
    (submission,) = scene.completed(run)
    del scene.simulator.state.submissions[submission]
    told = crowdops("reconcile", "--agent", scene.all(Agent)[0].id)
    assert "the vendor knows it no more; it is completed here, as before" in told
    assert "That does not fit" in told
    assert scene.findings() == [Finding.VANISHED]


def test_a_vendor_that_does_not_answer_changes_nothing(scene):
    run = scene.live(1)
    (submission,) = scene.completed(run)
    scene.simulator.state.set_status(submission, "APPROVED")
    scene.fault(LOOK, "500_before")
    agent = scene.all(Agent)[0]
    with pytest.raises(ProviderError):
        sync_one(agent.id)
    assert scene.get(Agent, agent.id).status == "completed"


def test_nothing_is_compared_where_nobody_or_too_much_is_named(crowdops, scene):
    scene.plan(1)
    unit = scene.all(Unit)[0].id
    assert f"Nobody has unit {unit}: it is created." in crowdops("reconcile", "--unit", unit, code=2)
    assert "Name one agent" in crowdops("reconcile", "--unit", unit, "--full", code=2)
    assert "There is no agent" in crowdops("reconcile", "--agent", "12345678", code=3)
    assert "There is no unit" in crowdops("reconcile", "--unit", "12345678", code=3)
