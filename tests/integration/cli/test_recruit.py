"""A run's recruiting is paused, resumed and ended from the command line, and what that means is told."""

from models.operation import State
from models.unit import Unit
from tasks import claims, engine, pacing
from tests.integration.scene import LAUNCH


def test_expiring_a_run_is_planned_once_and_says_what_becomes_of_people_and_units(crowdops, data, scene):
    run = scene.live(2)
    scene.simulator.state.take_place(scene.study(run))
    scene.reconcile(run)
    told = crowdops("run", "expire", "run")
    stop = scene.only("stop")
    assert f"Planned for run: stop, operation {stop.id}, which is planned." in told
    assert "Whoever is at work may finish and is paid." in told
    assert "Units that nobody has expire once the study is stopped." in told
    again = data("run", "expire", "run")
    assert (again["operation"], again["planned"]) == (str(stop.id), False)
    scene.settle()
    scene.reconcile(run)
    assert scene.unit_words() == ["assigned", "expired"]
    assert "There already for run: stop" in crowdops("run", "expire", "run")
    assert data("run", "show", "run")["expired"]
    assert "is expired, so there is nothing to pause" in crowdops("run", "pause", "run", code=2)


def test_a_run_that_was_never_sent_is_over_at_once(crowdops, data, scene):
    scene.plan(2)
    assert "there is nothing to stop: 2 units expired, at once" in crowdops("run", "expire", "run")
    assert data("run", "expire", "run")["operation"] is None
    assert scene.states() == {State.CANCELLED}


def test_a_stop_that_was_withdrawn_says_how_to_try_it_again(crowdops, scene):
    scene.live(1)
    pacing.pause(scene.account, "the card expired", None)
    assert "The account is paused: the card expired." in crowdops("run", "expire", "run")
    stop = scene.only("stop").id
    crowdops("ops", "cancel", stop)
    assert f"It came to nothing. `crowdops ops retry {stop}` tries it again." in crowdops("run", "expire", "run")


def test_a_stop_tells_what_it_waits_for(crowdops, scene):
    scene.plan(2)
    scene.send(scene.only("draft"))
    scene.later(30)
    scene.send(scene.only("publish"))
    scene.later(30)
    scene.read(scene.only("publish"))
    scene.fault(LAUNCH, "drop_after")
    engine.carry_out(claims.claim([row.id for row in scene.operations("launch")])[0])
    crowdops("run", "expire", "run")
    told = crowdops("ops", "explain", scene.only("stop").id)
    assert "Stop the study of run 'run' for good" in told
    assert "It waits for the launch before it, which is unknown" in told


def test_a_pause_and_its_end_are_planned_and_explained(crowdops, data, scene):
    scene.live(1)
    assert "was not paused" in crowdops("run", "resume", "run", code=2)
    told = crowdops("run", "pause", "run")
    assert "Planned for run: pause, operation" in told
    assert "Nobody else is let in until `crowdops run resume run`" in told
    assert not data("run", "pause", "run")["planned"]
    assert "People are let in again." in crowdops("run", "resume", "run")
    pause, resume = scene.only("pause"), scene.only("resume")
    assert "Pause the study of run 'run'" in crowdops("ops", "explain", pause.id)
    told = crowdops("ops", "explain", resume.id)
    assert "Let people begin on the study of run 'run' again" in told
    assert "It waits for the pause before it, which is planned" in told
    scene.settle()
    assert scene.states("pause", "resume") == {State.CONFIRMED}


def test_one_unit_is_taken_off_the_table_if_nobody_has_it(crowdops, data, scene):
    run = scene.live(2)
    scene.completed(run, 1)
    free = scene.all(Unit, Unit.agent_id.is_(None))[0].id
    taken = scene.all(Unit, Unit.agent_id.isnot(None))[0].id
    told = crowdops("run", "expire", "--unit", str(free)[:8])
    assert f"Unit {free} of run is expired here" in told
    assert "it goes on offering this one's" in told
    assert data("run", "expire", "run", "--unit", free)["status"] == "expired"
    assert f"has unit {taken}" in crowdops("run", "expire", "--unit", taken, code=2)
    scene.plan(1, "other")
    assert "belongs to another run" in crowdops("run", "expire", "other", "--unit", free, code=3)
    assert "Say which run" in crowdops("run", "expire", code=2)
    assert scene.operations("stop") == []
    assert scene.unit_words() == ["completed", "created", "expired"]
