"""Who is blocked takes no place in any of the account's studies, and the last decision wins, whatever goes wrong."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from sqlalchemy import delete, insert

from models import block
from models.group import Group
from models.operation import Operation, State
from models.requester import Requester
from models.session import transaction
from models.status import IllegalMoveError
from models.worker import Worker
from tasks import decide
from tests.integration.scene import Scene

MAKE, LIST = "POST participant-groups/", "GET participant-groups/"
ADD, REMOVE = (f"{verb} participant-groups/{{id}}/participants/" for verb in ("POST", "DELETE"))
ODD = "A1" * 12
"""Looks like a participant's id, and is none."""
FAULTS = ["drop_before", "drop_after", "500_before", "500_after", "429_retry_after"]


@pytest.fixture
def worker(scene):
    """Somebody who has worked for the account."""
    scene.completed(scene.live(1))
    return scene.all(Worker)[0]


@pytest.fixture
def fresh(scene):
    """Another account, which has had no run yet and so has no list of the blocked."""
    return Scene(scene.simulator, "new lab", block_list=False)


def act(scene, verb, worker, reason="spam"):
    """Decide on a worker; the operation."""
    with transaction() as session:
        return verb(session.get_one(Worker, worker.id), session.get_one(Requester, scene.account), reason)


def blocked(scene, worker):
    """What is wanted, and what the vendor has shown."""
    with transaction() as session:
        found = block.state(session.get_one(Worker, worker.id), session.get_one(Requester, scene.account))
    return found.wanted, found.confirmed


def lets_in(scene, run, worker):
    """Whether the vendor gives the worker a place in a run's study."""
    try:
        scene.simulator.state.take_place(scene.study(run), worker.name)
    except ValueError:
        return False
    return True


def test_who_is_blocked_gets_no_place_in_a_study_that_is_drafted_later(scene, worker):
    act(scene, block.block, worker)
    assert blocked(scene, worker) == (True, False)
    later = scene.live(2, "later")
    assert blocked(scene, worker) == (True, True)
    assert not lets_in(scene, later, worker)
    assert len(scene.hand_in(later)) == 1


@pytest.mark.parametrize("fault", [None, *FAULTS])
def test_a_block_acts_on_the_very_first_study_of_an_account_while_it_recruits(fresh, worker, fault):
    if fault:
        fresh.fault(MAKE, fault)
    first, second = fresh.live(2, "first"), fresh.live(2, "second")
    assert len(fresh.effects("group_created")) == 1
    for _ in range(2):
        act(fresh, block.block, worker)
        fresh.settle()
        assert (lets_in(fresh, first, worker), lets_in(fresh, second, worker)) == (False, False)
        act(fresh, block.unblock, worker)
        fresh.settle()
    assert lets_in(fresh, first, worker)


def test_two_first_runs_at_the_same_moment_keep_the_same_people_out(fresh, worker):
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda name: fresh.plan(2, name), ("one", "two")))
    assert len(fresh.operations("group")) == 1
    act(fresh, block.block, worker)
    fresh.settle()
    assert [lets_in(fresh, run, worker) for run in runs] == [False, False]


def test_a_first_study_waits_for_the_list_of_the_blocked_and_comes_back_with_it(fresh, worker):
    run = fresh.plan(1)
    making = fresh.only("group")
    with transaction() as session:
        decide.cancel(session, making.id, who="ada")
    fresh.settle()
    mine = Operation.run_id == run
    assert {row.state for row in fresh.all(Operation, mine)} == {State.CANCELLED}
    with transaction() as session:
        decide.retry(session, making.id)
    act(fresh, block.block, worker)
    fresh.settle()
    assert not lets_in(fresh, run, worker)


def test_the_same_decision_again_is_the_operation_that_is_there(scene, worker):
    first = act(scene, block.block, worker)
    assert act(scene, block.block, worker, "another reason").id == first.id
    scene.settle()
    assert act(scene, block.block, worker).id == first.id
    assert len(scene.effects("participants_added")) == 1


def test_block_unblock_and_block_are_three_intents_and_the_last_wins(scene, worker):
    for verb in (block.block, block.unblock, block.block):
        act(scene, verb, worker)
    scene.settle()
    assert [row.kind for row in scene.operations("block", "unblock")] == ["block", "unblock", "block"]
    changes = [row.kind for row in scene.simulator.state.ledger if row.kind.startswith("participants_")]
    assert changes == ["participants_added", "participants_removed", "participants_added"]
    assert blocked(scene, worker) == (True, True)


def test_two_people_who_block_at_the_same_moment_make_one_operation(fresh, worker):
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda _: act(fresh, block.block, worker), range(2)))
    assert len({operation.id for operation in made}) == 1
    assert len(fresh.operations("block")) == len(fresh.operations("group")) == 1


def test_who_was_never_blocked_cannot_be_unblocked(scene, worker):
    with pytest.raises(IllegalMoveError, match="is not blocked"):
        act(scene, block.unblock, worker)
    assert scene.operations("unblock", "group") == []


def test_a_block_that_was_withdrawn_takes_what_came_after_it_along_and_can_be_made_anew(scene, worker):
    first = act(scene, block.block, worker)
    act(scene, block.unblock, worker)
    with transaction() as session:
        decide.cancel(session, first.id, who="ada")
    scene.settle()
    assert blocked(scene, worker) == (False, False)
    act(scene, block.block, worker)
    scene.settle()
    assert blocked(scene, worker) == (True, True)


def test_a_decision_is_not_tried_again_after_another_was_made(scene, worker):
    first = act(scene, block.block, worker)
    with transaction() as session:
        decide.cancel(session, first.id, who="ada")
    for verb in (block.block, block.unblock):
        act(scene, verb, worker)
    scene.settle()
    with transaction() as session, pytest.raises(IllegalMoveError, match=r"was decided later\. Decide anew"):
        decide.retry(session, first.id)
    assert blocked(scene, worker) == (False, False)


def test_a_refused_decision_is_tried_again_with_what_followed_it(scene, worker):
    first = act(scene, block.block, worker)
    act(scene, block.unblock, worker)
    with transaction() as session:
        decide.cancel(session, first.id, who="ada")
    scene.settle()
    with transaction() as session:
        decide.retry(session, first.id)
    scene.settle()
    assert [row.kind for row in scene.operations("block", "unblock") if row.state is State.CONFIRMED] == [
        "block",
        "unblock",
    ]
    assert blocked(scene, worker) == (False, False)


def test_an_account_at_another_vendor_blocks_nobody_here(scene, worker):
    with transaction() as session:
        row = {"id": uuid4(), "provider_type": "other", "name": "x", "credential": "env:X", "facts": {}, "rate": 1}
        session.execute(insert(Requester.__table__).values(row))
        other = session.get_one(Requester, row["id"])
        with pytest.raises(ValueError, match="worker is at prolific, and the account at other"):
            block.block(session.get_one(Worker, worker.id), other, "spam")
    assert scene.all(Group, Group.requester_id == row["id"]) == []


@pytest.mark.parametrize("endpoint", [MAKE, LIST, ADD, REMOVE])
@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_becomes_of_an_answer_there_is_one_group_and_each_change_happens_once(fresh, worker, endpoint, fault):
    fresh.simulator.faults.next(endpoint, fault, times=2)
    act(fresh, block.block, worker)
    act(fresh, block.unblock, worker)
    fresh.settle()
    assert fresh.states("group", "block", "unblock") == {State.CONFIRMED}
    kinds = [row.kind for row in fresh.simulator.state.ledger if row.kind.startswith(("group", "participants"))]
    assert kinds == ["group_created", "participants_added", "participants_removed"]


def test_a_group_of_our_name_that_is_there_already_is_used(fresh, worker):
    act(fresh, block.block, worker)
    fresh.settle()
    (group,) = fresh.all(Group, Group.requester_id == fresh.account)
    with transaction() as session:
        session.get_one(Group, group.id).vendor_id = None
        for kind in ("block", "group"):
            session.execute(delete(Operation).where(Operation.kind == kind))
    act(fresh, block.block, worker)
    fresh.settle()
    assert fresh.get(Group, group.id).vendor_id == group.vendor_id
    assert len(fresh.effects("group_created")) == len(fresh.effects("participants_added")) == 1


def test_many_workers_are_blocked_with_one_request(scene):
    scene.completed(scene.live(5), 5)
    for worker in scene.all(Worker):
        act(scene, block.block, worker)
    scene.settle()
    assert scene.calls(ADD) == 1
    assert all(blocked(scene, worker) == (True, True) for worker in scene.all(Worker))


def test_a_refusal_names_no_worker(scene, worker, caplog):
    with transaction() as session:
        session.get_one(Worker, worker.id).name = ODD
    act(scene, block.block, worker)
    scene.settle()
    (refused,) = scene.operations("block")
    assert refused.state is State.REJECTED
    assert ODD not in str(refused.reason) + caplog.text + str(refused.body) + refused.target
    assert blocked(scene, worker) == (False, False)
