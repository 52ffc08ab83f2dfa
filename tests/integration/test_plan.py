"""The same intent twice is one operation; another one under its key is refused; a refused one is tried again once."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest
from sqlalchemy import select

from models import plan, recruit, review
from models.agent import Agent
from models.identity import agent_id, operation_id, run_id, unit_id
from models.operation import Operation, State
from models.plan import ConflictError, Intent
from models.requester import Requester
from models.session import transaction
from models.status import AgentStatus, IllegalMoveError, UnitStatus
from models.task_run import TaskRun
from models.unit import Unit
from tasks import runs
from tasks.sweep import sweep
from tests.integration.scene import spec


@pytest.fixture
def intent(scene):
    """A bonus as an operator would want it."""
    return Intent(
        requester_id=scene.account, kind="bonus", target="sub-1", body={"why": "x"}, amount_minor=50, currency="GBP"
    )


def planned(*intents):
    with transaction() as session:
        return [row.id for row in plan.plan(session, intents)]


def at_once(action, *arguments):
    """Run an action in as many threads as there are arguments, together."""
    together = Barrier(len(arguments))

    def run(argument):
        together.wait()
        return action(argument)

    with ThreadPoolExecutor(len(arguments)) as pool:
        return list(pool.map(run, arguments))


def test_the_same_intent_twice_is_one_operation(scene, intent):
    assert planned(intent) == planned(intent) == [intent.id]
    assert len(scene.operations()) == 1


def test_the_same_intent_from_many_at_once_is_one_operation(scene, intent):
    assert at_once(planned, *[intent] * 6) == [[intent.id]] * 6
    assert len(scene.operations()) == 1


@pytest.mark.parametrize("other", [{"amount_minor": 51}, {"currency": "EUR"}, {"body": {"why": "y"}}])
def test_another_intent_under_the_same_key_is_a_conflict_that_shows_both(scene, intent, other):
    planned(intent)
    with pytest.raises(ConflictError, match="already operation"):
        planned(replace(intent, **other))
    assert [row.id for row in scene.operations()] == [intent.id]


def test_a_key_of_its_own_makes_an_equal_intent_a_second_operation(intent):
    assert len({*planned(intent), *planned(replace(intent, key="2"))}) == 2


def test_ids_follow_from_what_is_meant_and_are_the_same_on_every_machine(scene, intent):
    assert intent.id == operation_id(scene.account, "bonus", "sub-1", "1", 50, "GBP")
    run = scene.live(1)
    (submission,) = scene.completed(run)
    assert run == run_id(scene.account, "run")
    assert scene.all(Agent)[0].id == agent_id(scene.account, submission)
    unit = scene.all(Unit)[0]
    assert unit.id == unit_id(unit.assignment_id, 0)


def test_the_same_run_again_is_the_same_run_and_another_content_is_a_conflict(scene):
    run = scene.plan(3)
    before = [row.id for row in scene.operations()]
    assert scene.plan(3) == run
    assert [row.id for row in scene.operations()] == before
    with transaction() as session, pytest.raises(ConflictError, match="other content"):
        runs.create(session, session.get_one(Requester, scene.account), spec("run", content_hash="second"), [])


def test_the_same_run_from_two_operators_at_once_is_one_run(scene):
    assert len(set(at_once(scene.plan, 3, 3, 3))) == 1
    assert len(scene.operations("launch")) == 3
    assert len(scene.operations("draft", "publish")) == 2


def test_places_are_absolute_numbers_that_only_grow(scene):
    run = scene.plan(3)
    assert sorted(row.body["places"] for row in scene.operations("launch")) == [1, 2, 3]
    with transaction() as session:
        units = session.scalars(select(Unit)).all()
        recruit.launch(session.get_one(TaskRun, run), units)
    assert len(scene.operations("launch")) == 3
    assert scene.get(TaskRun, run).places == 3


def test_launching_one_unit_from_two_places_at_once_is_one_place(scene):
    run = scene.plan(1)
    with transaction() as session:
        first = session.scalars(select(Unit)).one()
        session.add(unit := Unit(**{**columns(first), "index": 1, "status": UnitStatus.CREATED, "place": None}))

    def launch(_):
        with transaction() as session:
            return session.get_one(Unit, unit.id).launch().id

    assert len(set(at_once(launch, 1, 2, 3))) == 1
    assert scene.get(TaskRun, run).places == 2
    assert sorted(row.body["places"] for row in scene.operations("launch")) == [1, 2]


def columns(unit):
    names = ("assignment_id", "task_run_id", "provider_type", "pay_minor", "currency")
    return {name: getattr(unit, name) for name in names}


def test_verbs_of_unit_and_agent_plan_operations_and_show_them_again(scene):
    run = scene.live(1)
    scene.completed(run)
    for _ in range(2):
        with transaction() as session:
            assert session.scalars(select(Unit)).one().launch().kind == "launch"
            assert session.scalars(select(Agent)).one().approve_work().kind == "approve"
    assert len(scene.operations("launch", "approve")) == 2


def test_a_verb_needs_an_open_transaction(scene):
    run = scene.get(TaskRun, scene.plan(1))
    with pytest.raises(RuntimeError, match="open transaction"):
        recruit.launch(run, scene.all(Unit))


def test_work_that_is_not_there_is_not_approved_and_nothing_is_planned(scene):
    run = scene.live(2)
    scene.completed(run)
    scene.simulator.state.take_place(scene.study(run))
    scene.reconcile(run)
    with transaction() as session, pytest.raises(IllegalMoveError, match="needs work that is approved or completed"):
        review.approve(session.get_one(TaskRun, run), session.scalars(select(Agent)).all())
    assert scene.operations("approve") == []


def test_a_status_that_may_not_be_is_refused_and_nothing_changes(scene):
    run = scene.live(1)
    scene.completed(run)
    with transaction() as session:
        agent = session.scalars(select(Agent)).one()
        with pytest.raises(IllegalMoveError, match="cannot go from completed to in task"):
            agent.move(AgentStatus.IN_TASK)
        with pytest.raises(IllegalMoveError):
            agent.unit.status = UnitStatus.CREATED
    assert scene.all(Agent)[0].status is AgentStatus.COMPLETED
    assert scene.units() == [UnitStatus.COMPLETED]


def refuse(operation):
    with transaction() as session:
        session.get_one(Operation, operation.id).state = State.REJECTED


def retry(operation):
    with transaction() as session:
        return plan.retry(session, session.get_one(Operation, operation.id)).id


def test_a_refused_intent_is_tried_again_under_the_next_key(scene, intent):
    planned(intent)
    refuse(scene.only("bonus"))
    again = scene.get(Operation, retry(scene.only("bonus")))
    assert (again.key, again.state, again.amount_minor, again.body) == ("1~2", State.PLANNED, 50, {"why": "x"})


def test_trying_the_same_refusal_again_twice_is_one_operation(scene, intent):
    planned(intent)
    refused = scene.only("bonus")
    refuse(refused)
    assert len({retry(refused), retry(refused), *at_once(retry, refused, refused)}) == 1
    assert len(scene.operations()) == 2


def test_a_second_refusal_is_tried_again_under_a_third_key(scene, intent):
    planned(intent)
    refused = scene.only("bonus")
    refuse(refused)
    second = scene.get(Operation, retry(refused))
    refuse(second)
    assert scene.get(Operation, retry(second)).key == "1~3"


def test_what_fell_with_a_refused_operation_is_planned_again_behind_it(scene):
    scene.plan(2)
    refused = scene.only("draft")
    refuse(refused)
    sweep()
    sweep()
    again = retry(refused)
    behind = {row.after_id: row for row in scene.operations("publish") if row.state is State.PLANNED}
    assert list(behind) == [again]
    launches = [row for row in scene.operations("launch") if row.state is State.PLANNED]
    assert {row.after_id for row in launches} == {behind[again].id}
    assert sorted(row.body["places"] for row in launches) == [1, 2]
    scene.settle()
    assert [str(status) for status in scene.units()] == ["launched"] * 2


def test_trying_again_before_the_sweep_has_passed_loses_nothing(scene):
    scene.plan(2)
    refuse(scene.only("draft"))
    retry(scene.only("draft"))
    scene.settle()
    assert [str(status) for status in scene.units()] == ["launched"] * 2


@pytest.mark.parametrize("state", [State.PLANNED, State.CONFIRMED, State.REVIEW])
def test_only_what_is_over_and_was_not_done_is_tried_again(scene, intent, state):
    planned(intent)
    with transaction() as session:
        session.get_one(Operation, intent.id).state = state
    with pytest.raises(IllegalMoveError, match="only a refused one"):
        retry(scene.only("bonus"))
