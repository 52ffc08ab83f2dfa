"""A run lets in who meets what it asks for, by groups that follow every grant while it recruits."""

from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from models import grant
from models.granted_qualification import GrantedQualification
from models.group import Group
from models.operation import State
from models.qualification import Qualification, UnknownQualificationError
from models.requester import Requester
from models.session import transaction
from models.task_run import TaskRun
from models.worker import Worker
from tasks import runs
from tests.integration.scene import spec

ADD, REMOVE = (f"{verb} participant-groups/{{id}}/participants/" for verb in ("POST", "DELETE"))


@pytest.fixture
def people(scene):
    """Three people who have worked for the account."""
    scene.completed(scene.live(3, "before"), 3)
    return scene.all(Worker)


def act(worker, verb, *words):
    """Grant or revoke; what that plans."""
    with transaction() as session:
        return verb(session.get_one(Worker, worker.id), *words)


def asking(*requirements):
    """The arguments of a run that asks for something."""
    return {"args": spec("x").args | {"qualifications": list(requirements)}}


def lets_in(scene, run, *workers):
    """Whom the vendor gives a place in a run's study, which is given back at once."""
    return [worker for worker in workers if _may(scene, run, worker)]


def _may(scene, run, worker):
    try:
        submission = scene.simulator.state.take_place(scene.study(run), worker.name)
    except ValueError:
        return False
    scene.simulator.state.set_status(submission.id, "RETURNED")
    scene.simulator.state.study(scene.study(run)).participants[worker.name] = 0
    return True


def eligible(run, *workers):
    """Who is eligible by our rows."""
    with transaction() as session:
        found = session.get_one(TaskRun, run)
        return [worker for worker in workers if session.get_one(Worker, worker.id).is_eligible(found)]


def test_a_grant_is_kept_once_with_its_last_value_and_is_gone_when_it_is_revoked(scene, people):
    for value in (1, 1, 7):
        assert act(people[0], grant.grant, "careful", value) == []
    (row,) = scene.all(GrantedQualification)
    assert (row.value, row.updated_at > row.created_at) == (7, True)
    with transaction() as session:
        worker = session.get_one(Worker, people[0].id)
        assert (worker.is_qualified("careful"), worker.is_disqualified("careful")) == (True, False)
        worker.grant_qualification("careful", 0)
        assert (worker.is_qualified("careful"), worker.is_disqualified("careful")) == (False, True)
        worker.revoke_qualification("careful")
        assert (worker.is_qualified("careful"), worker.is_disqualified("careful")) == (False, False)
    assert scene.all(GrantedQualification) == []
    assert scene.states("grant", "revoke") == set()


def test_a_run_lets_in_only_who_meets_what_it_asks_for(scene, people):
    for worker, value in zip(people, (1, 2, 3), strict=True):
        act(worker, grant.grant, "score", value)
    run = scene.live(1, **asking({"name": "score", "comparator": "GreaterThanOrEqualTo", "value": 2}))
    assert lets_in(scene, run, *people) == eligible(run, *people) == people[1:]
    assert scene.calls(ADD) == 1


def test_all_requirements_must_be_met_and_those_who_must_not_have_one_are_kept_out(scene, people):
    for worker in people:
        act(worker, grant.grant, "score", 5)
    act(people[0], grant.grant, "failed")
    run = scene.live(
        1, **asking({"name": "failed", "comparator": "DoesNotExist"}, {"name": "score"}, {"name": "score"})
    )
    assert lets_in(scene, run, *people) == eligible(run, *people) == people[1:]
    assert len(scene.all(Group, Group.requirement.isnot(None))) == 2


def test_while_a_run_recruits_grants_and_revocations_act_at_the_vendor(scene, people):
    act(people[0], grant.grant, "score", 9)
    run = scene.live(1, **asking({"name": "score", "comparator": "LessThan", "value": 5}))
    assert lets_in(scene, run, *people) == []
    act(people[1], grant.grant, "score", 1)
    (change,) = act(people[0], grant.grant, "score", 2)
    assert change.kind == "grant"
    assert act(people[0], grant.grant, "score", 3) == []
    scene.settle()
    assert lets_in(scene, run, *people) == eligible(run, *people) == people[:2]
    act(people[0], grant.grant, "score", 5)
    act(people[1], grant.revoke, "score")
    scene.settle()
    assert lets_in(scene, run, *people) == eligible(run, *people) == []


def test_runs_that_ask_for_the_same_share_a_group(scene, people):
    act(people[0], grant.grant, "score", 1)
    for name in ("first", "second"):
        run = scene.live(1, name, **asking({"name": "score"}))
        assert lets_in(scene, run, *people) == people[:1]
    assert len(scene.effects("group_created")) == len(scene.operations("grant")) == 1


def test_a_qualification_that_nobody_was_ever_granted_is_refused_unless_it_must_be_missing(scene, people):
    act(people[0], grant.grant, "careful")
    with pytest.raises(UnknownQualificationError, match=r"no qualification 'carefull'\. Known: careful"):
        scene.plan(1, **asking({"name": "carefull"}))
    assert scene.operations("draft")[1:] == []
    run = scene.live(1, **asking({"name": "failed", "comparator": "DoesNotExist"}))
    assert lets_in(scene, run, *people) == people
    act(people[2], grant.grant, "failed")
    scene.settle()
    assert lets_in(scene, run, *people) == people[:2]


def test_a_qualification_that_is_taken_from_everybody_lets_nobody_in(scene, people):
    act(people[0], grant.grant, "careful")
    act(people[0], grant.revoke, "careful")
    run = scene.live(1, **asking({"name": "careful"}))
    assert lets_in(scene, run, *people) == eligible(run, *people) == []


@pytest.mark.parametrize("endpoint", [ADD, REMOVE])
@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "500_after"])
def test_whatever_becomes_of_an_answer_the_groups_are_as_granted(scene, people, endpoint, fault):
    act(people[0], grant.grant, "careful")
    run = scene.live(1, **asking({"name": "careful"}))
    scene.simulator.faults.next(endpoint, fault, times=2)
    act(people[0], grant.revoke, "careful")
    act(people[1], grant.grant, "careful")
    scene.settle()
    assert lets_in(scene, run, *people) == people[1:2]
    assert scene.states("grant", "revoke") == {State.CONFIRMED}


def together(first, second):
    """Do `second` while the transaction of `first` is open, for half a second at least; the value is what it gave."""
    with ThreadPoolExecutor(1) as pool:
        with transaction() as session:
            first(session)
            waiting = pool.submit(second)
            wait([waiting], timeout=0.5)
        return waiting.result()


@pytest.mark.parametrize("before", [None, 0])
def test_a_grant_that_is_not_committed_yet_is_not_missed_by_a_run(scene, people, before):
    act(people[0], grant.grant, "careful", 1)
    if before is not None:
        act(people[1], grant.grant, "careful", before)
    run = together(
        lambda session: grant.grant(session.get_one(Worker, people[1].id), "careful"),
        lambda: scene.plan(1, **asking({"name": "careful", "comparator": "EqualTo", "value": 1})),
    )
    scene.settle()
    scene.simulator.advance(3)
    assert lets_in(scene, run, *people) == people[:2]


def test_a_group_that_is_not_committed_yet_is_not_missed_by_a_grant(scene, people):
    act(people[0], grant.grant, "careful")
    made = []

    def plan(session):
        wanted = spec("run", **asking({"name": "careful"}))
        made.append(runs.create(session, session.get_one(Requester, scene.account), wanted, [{}])[0].id)

    together(plan, lambda: act(people[1], grant.grant, "careful"))
    scene.settle()
    scene.simulator.advance(3)
    assert lets_in(scene, made[0], *people) == people[:2]


def test_who_is_blocked_is_not_eligible_whatever_was_granted(scene, people):
    act(people[0], grant.grant, "careful")
    run = scene.live(1, **asking({"name": "careful"}))
    with transaction() as session:
        session.get_one(Worker, people[0].id).block_worker(session.get_one(TaskRun, run).requester, "spam")
    assert eligible(run, *people) == []


def test_a_qualification_has_one_row_whoever_makes_it_first(scene, people):
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda worker: act(worker, grant.grant, "careful"), people))
    assert len(scene.all(Qualification)) == 1
    assert len(scene.all(GrantedQualification)) == 3
