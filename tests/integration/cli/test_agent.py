"""Agents are listed and shown with all that belongs to them, but never with the names of people."""

from uuid import uuid4

from models.agent import Agent
from models.discrepancy import Finding, report
from models.session import transaction
from models.worker import Worker
from tasks.handin import hand_in


def test_agents_are_listed_by_status_and_by_whether_they_handed_something_in(crowdops, data, scene):
    run = scene.live(3)
    scene.completed(run, 2)
    scene.simulator.state.take_place(scene.study(run))
    scene.reconcile(run)
    first = scene.all(Agent, Agent.status == "completed")[0]
    hand_in(run, first.id, scene.token(first.id), "C0DE", {"sharper": "left"})
    assert len(data("agent", "list", "--run", "run")) == 3
    (without,) = data("agent", "list", "--run", "run", "--status", "completed", "--without-data")
    assert (without["has_data"], without["submitted_at"]) == (False, None)
    assert without["id"] != str(first.id)
    told = crowdops("agent", "list", "--run", "run", "--status", "completed")
    assert str(first.id)[:13] in told
    assert "There are more than 1" in crowdops("agent", "list", "--run", "run", "--limit", "1")
    assert not any(worker.name in crowdops("agent", "list", "--run", "run") for worker in scene.all(Worker))


def test_an_agent_is_shown_with_its_unit_its_data_its_operations_and_what_is_strange(crowdops, data, scene):
    run = scene.live(1)
    scene.completed(run)
    agent = scene.all(Agent)[0]
    hand_in(run, agent.id, scene.token(agent.id), "C0DE", {"sharper": "left"})
    (approval,) = scene.approve(run)
    with transaction() as session:
        report(session, scene.account, Finding.VANISHED, approval.id, "gone")
        report(session, scene.account, Finding.VANISHED, uuid4(), "about something else")
    shown = data("agent", "show", str(agent.id)[:8])
    assert (shown["status"], shown["unit_status"], shown["holds_unit"]) == ("completed", "completed", True)
    assert (shown["input"], shown["data"]) == ({"row": 0}, {"sharper": "left"})
    assert [(one["id"], one["kind"], one["state"]) for one in shown["operations"]] == [
        (str(approval.id), "approve", "planned")
    ]
    assert [one["detail"] for one in shown["discrepancies"]] == ["gone"]
    told = crowdops("agent", "show", agent.id)
    assert "handed in: sharper left" in told
    assert "run: run" in told
    assert scene.all(Worker)[0].name not in told
    assert scene.all(Worker)[0].name not in str(shown)
    assert "There is no agent '12345678'" in crowdops("agent", "show", "12345678", code=3)
