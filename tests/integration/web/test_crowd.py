"""The simulated crowd's own browsers work through the door, from the study's address to the vendor's review."""

import pytest

from models.agent import Agent
from models.settings import settings
from models.unit import Unit
from providers.prolific.simulator.server import running
from providers.prolific.simulator.simulator import Options
from providers.prolific.simulator.task_page import answer_to


@pytest.fixture
def simulator(monkeypatch):
    """The same as elsewhere, but people open the task's page in their browsers."""
    with running(Options(speed=0, crowd=False, door=True)) as made:
        monkeypatch.setenv("CROWDOPS_PROLIFIC_URL", made.url)
        monkeypatch.setenv("CROWDOPS_PROLIFIC_TOKEN", made.options.token)
        settings.cache_clear()
        yield made


def test_the_crowd_gets_its_work_at_the_door_and_hands_it_in_there(scene, door, monkeypatch, eventually):
    monkeypatch.setenv("CROWDOPS_WEB_URL", door.url)
    settings.cache_clear()
    run = scene.live(4)
    people = [scene.simulator.crowd.send(scene.study(run)) for _ in range(4)]

    def submitted():
        scene.simulator.advance(2)
        return {one.status for one in people} == {"AWAITING REVIEW"}

    eventually(submitted, 60)
    assert scene.simulator.browser.tally == {"asked": 4, "answered": 4, "submitted": 4}
    assert not scene.simulator.browser.failed
    scene.reconcile(run)
    units = {unit.id: unit for unit in scene.all(Unit)}
    agents = scene.all(Agent)
    assert {agent.unit_id for agent in agents} == units.keys()
    assert (scene.agent_words(), scene.unit_words()) == (["completed"] * 4, ["completed"] * 4)
    assert sorted(agent.data["answer"] for agent in agents) == sorted(answer_to({"row": row}) for row in range(4))
    assert scene.findings() == []


def test_a_door_that_is_put_off_by_the_vendor_is_asked_again(scene, door, monkeypatch, eventually):
    monkeypatch.setenv("CROWDOPS_WEB_URL", door.url)
    settings.cache_clear()
    run = scene.live(1)
    scene.fault("GET submissions/{id}/", "500_before")
    one = scene.simulator.crowd.send(scene.study(run))

    def submitted():
        scene.simulator.advance(2)
        return one.status == "AWAITING REVIEW"

    eventually(submitted, 60)
    assert dict(scene.simulator.browser.failed) == {"503": 1}
    assert len(scene.all(Agent)) == 1
