"""What was made at the vendor for runs that are over is deleted there, and nothing that is still needed."""

from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from models import cleanup, grant, recruit
from models.cleanup import InUseError
from models.granted_qualification import GrantedQualification
from models.group import Group
from models.operation import State
from models.qualification import Qualification, UnknownQualificationError, find
from models.requester import Requester
from models.session import transaction
from models.status import IllegalMoveError
from models.task_run import TaskRun
from models.worker import Worker
from providers import provider_class
from tasks import decide, qualification, runs
from tests.integration.scene import spec

DELETE = "DELETE participant-groups/{id}/"
BLOCKED = "crowdops lab: blocked"


@pytest.fixture
def people(scene):
    """Two people who have worked for the account, of whom the first has a score of 9."""
    scene.completed(scene.live(2, "before"), 2)
    found = scene.all(Worker)
    give(found[0], 9)
    return found


def give(worker, value, name="score"):
    """Grant a number; what that plans."""
    with transaction() as session:
        return grant.grant(session.get_one(Worker, worker.id), name, value)


def asking(*requirements):
    """The arguments of a run that asks for something."""
    return {"args": spec("x").args | {"qualifications": list(requirements)}}


SCORE = asking({"name": "score", "comparator": "GreaterThan", "value": 5})


def over(scene, run):
    """Let the run come to its end."""
    with transaction() as session:
        recruit.expire(session.get_one(TaskRun, run))
    scene.settle()
    scene.reconcile(run, full=True)
    assert scene.get(TaskRun, run).is_completed
    return run


def clean(run):
    """Clean up after a run; what that plans."""
    with transaction() as session:
        vendor = provider_class("prolific")
        return vendor.cleanup_resources_from_task_run(session, session.get_one(TaskRun, run))


def forget(name="score"):
    """Delete a qualification; what became of it."""
    with transaction() as session:
        return qualification.delete(session, name)


def groups(scene):
    """The groups at the vendor that are not deleted, by their names, with who is in each; without the blocked."""
    kept = {group.name: set(group.members) for group in scene.simulator.state.groups.values() if not group.deleted}
    return {name.removeprefix("crowdops lab: "): members for name, members in kept.items() if name != BLOCKED}


def names(*workers):
    return {worker.name for worker in workers}


def test_a_run_that_is_not_over_is_refused_with_what_to_do(scene, people):  # noqa: ARG001 - they qualify
    run = scene.live(1, **SCORE)
    with pytest.raises(InUseError, match=rf"not over.*`crowdops run expire {run}`.*once it is completed"):
        clean(run)
    assert scene.operations("ungroup") == []


def test_the_groups_of_a_run_that_is_over_are_deleted_once(scene, people):  # noqa: ARG001 - they qualify
    run = scene.live(1, **asking({"name": "score"}, {"name": "failed", "comparator": "DoesNotExist"}))
    assert set(groups(scene)) == {"score Exists", "failed Exists"}
    over(scene, run)
    first = clean(run)
    assert {row.kind for row in first} == {"ungroup"}
    assert [row.id for row in clean(run)] == [row.id for row in first]
    scene.settle()
    assert scene.states("ungroup") == {State.CONFIRMED}
    assert groups(scene) == {}
    assert [row.vendor_id for row in scene.all(Group, Group.requirement.isnot(None))] == [None, None]
    assert [row.id for row in clean(run)] == [row.id for row in first]
    assert len(scene.effects("group_deleted")) == 2


def test_a_run_without_requirements_has_nothing_to_delete_and_the_blocked_stay(scene, people):
    with transaction() as session:
        account = session.get_one(Requester, scene.account)
        session.get_one(Worker, people[1].id).block_worker(account, "spam")
    run = over(scene, scene.live(1))
    assert clean(run) == []
    scene.settle()
    (kept,) = scene.simulator.state.groups.values()
    assert (kept.name, set(kept.members), kept.deleted) == (BLOCKED, names(people[1]), False)


def test_a_group_that_another_run_asks_for_is_kept_until_that_is_over_too(scene, people):
    first, second = scene.live(1, "first", **SCORE), scene.live(1, "second", **SCORE)
    over(scene, first)
    assert clean(first) == []
    with transaction() as session:
        told = cleanup.kept(session.get_one(TaskRun, first))
    assert told == {"crowdops lab: score GreaterThan 5": ["second"]}
    assert groups(scene) == {"score GreaterThan 5": names(people[0])}
    over(scene, second)
    assert len(clean(first)) == 1
    scene.settle()
    assert groups(scene) == {}


@pytest.mark.parametrize("deleted", [True, False])
def test_a_later_run_gets_a_new_group_with_everybody_who_belongs_to_it_by_then(scene, people, deleted):
    clean(over(scene, scene.live(1, "first", **SCORE)))
    if deleted:
        scene.settle()
    assert give(people[0], 3) == give(people[1], 8) == []
    later = scene.live(1, "later", **SCORE)
    assert groups(scene) == {"score GreaterThan 5 (2)": names(people[1])}
    with pytest.raises(ValueError, match="is not in a group"):
        scene.simulator.state.take_place(scene.study(later), people[0].name)
    assert [change.kind for change in give(people[0], 7)] == ["grant"]
    scene.settle()
    assert groups(scene) == {"score GreaterThan 5 (2)": names(*people)}
    assert scene.states() <= {State.CONFIRMED, State.CANCELLED}
    clean(over(scene, later))
    scene.live(1, "third", **SCORE)
    assert groups(scene) == {"score GreaterThan 5 (3)": names(*people)}


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "500_after", "429"])
def test_whatever_becomes_of_an_answer_the_group_is_deleted_in_the_end(scene, people, fault):  # noqa: ARG001 - they qualify
    run = over(scene, scene.live(1, **SCORE))
    clean(run)
    scene.fault(DELETE, fault)
    scene.settle()
    assert scene.states("ungroup") == {State.CONFIRMED}
    assert groups(scene) == {}


def test_a_group_that_is_gone_at_the_vendor_is_as_good_as_deleted(scene, people):  # noqa: ARG001 - they qualify
    run = over(scene, scene.live(1, **SCORE))
    scene.simulator.state.groups.clear()
    clean(run)
    scene.settle()
    assert scene.states("ungroup") == {State.CONFIRMED}


def test_a_group_whose_members_are_just_being_changed_is_not_deleted(scene, people):
    run = over(scene, scene.live(1, **SCORE))
    give(people[1], 8)
    with pytest.raises(InUseError, match="Changes of the members of 'crowdops lab: score GreaterThan 5'"):
        clean(run)
    scene.settle()
    clean(run)
    scene.settle()
    assert groups(scene) == {}


def test_a_group_that_was_never_made_needs_no_deletion_and_is_not_made_later(scene, people):  # noqa: ARG001 - they qualify
    run = scene.plan(1, **SCORE)
    making = scene.only("group")
    with transaction() as session:
        decide.cancel(session, making.id, who="ada")
    scene.settle()
    with transaction() as session:
        recruit.expire(session.get_one(TaskRun, run))
    assert clean(run) == []
    with transaction() as session, pytest.raises(IllegalMoveError, match="was given up, as no run needed it"):
        decide.retry(session, making.id)
    scene.live(1, "later", **SCORE)
    assert set(groups(scene)) == {"score GreaterThan 5 (2)"}


def test_a_change_of_a_group_that_was_given_up_is_not_tried_again(scene, people):
    run = over(scene, scene.live(1, **SCORE))
    (change,) = give(people[1], 8)
    with transaction() as session:
        decide.cancel(session, change.id, who="ada")
    clean(run)
    with transaction() as session, pytest.raises(IllegalMoveError, match="was given up, as no run needed it"):
        decide.retry(session, change.id)


def test_a_deletion_that_was_withdrawn_is_tried_again(scene, people):  # noqa: ARG001 - they qualify
    (deletion,) = clean(over(scene, scene.live(1, **SCORE)))
    with transaction() as session:
        decide.cancel(session, deletion.id, who="ada")
        decide.retry(session, deletion.id)
    scene.settle()
    assert groups(scene) == {}


def together(first, second):
    """Do `second` while the transaction of `first` is open, for half a second at least; the value is what it gave."""
    with ThreadPoolExecutor(1) as pool:
        with transaction() as session:
            first(session)
            waiting = pool.submit(second)
            wait([waiting], timeout=0.5)
        return waiting.result()


def test_a_run_that_is_launched_at_the_same_moment_finds_no_group_that_is_about_to_go(scene, people):
    run = over(scene, scene.live(1, **SCORE))
    together(
        lambda session: cleanup.of_run(session.get_one(TaskRun, run)),
        lambda: scene.plan(1, "later", **SCORE),
    )
    scene.settle()
    assert groups(scene) == {"score GreaterThan 5 (2)": names(people[0])}


def test_a_run_that_is_not_committed_yet_keeps_its_group(scene, people):
    run = over(scene, scene.live(1, **SCORE))

    def launch(session):
        runs.create(session, session.get_one(Requester, scene.account), spec("later", **SCORE), [{}])

    assert together(launch, lambda: clean(run)) == []
    scene.settle()
    assert groups(scene) == {"score GreaterThan 5": names(people[0])}


def test_a_qualification_is_deleted_with_its_numbers_and_all_of_its_groups(scene, people):
    over(scene, scene.live(1, "first", **SCORE))
    over(scene, scene.live(1, "second", **asking({"name": "score"}, {"name": "other", "comparator": "DoesNotExist"})))
    give(people[1], 1, "other")
    scene.settle()
    done = forget()
    assert (done.workers, len(done.operations)) == (1, 2)
    scene.settle()
    assert groups(scene) == {"other Exists": names(people[1])}
    assert [row.name for row in scene.all(Qualification)] == ["other"]
    assert len(scene.all(GrantedQualification)) == 1
    with pytest.raises(UnknownQualificationError, match="Known: other"):
        forget()


def test_a_qualification_of_the_same_name_later_is_a_new_one(scene, people):
    first = over(scene, scene.live(1, "first", **SCORE))
    forget()
    assert len(clean(first)) == 1
    give(people[1], 7)
    scene.live(1, "later", **SCORE)
    assert groups(scene) == {"score GreaterThan 5 (2)": names(people[1])}


def test_a_qualification_that_a_run_asks_for_is_kept_with_everything(scene, people):  # noqa: ARG001 - they qualify
    scene.live(1, "first", **SCORE)
    with pytest.raises(InUseError, match=r"'score' is asked for by runs that are not over: first\. End them first"):
        forget()
    with transaction() as session, pytest.raises(InUseError):
        provider_class("prolific").cleanup_qualification(session, find(session, "score"))
    assert len(scene.all(GrantedQualification)) == 1


def test_a_provider_alone_cleans_up_and_shows_that_again(scene, people):  # noqa: ARG001 - they qualify
    over(scene, scene.live(1, "first", **SCORE))
    planned = []
    for _ in range(2):
        with transaction() as session:
            vendor = provider_class("prolific")
            planned += vendor.cleanup_qualification(session, find(session, "score"))
    assert planned[0].id == planned[1].id
    assert len(planned) == 2


def test_who_is_granted_what_is_being_deleted_is_granted_it_anew_and_who_is_to_lose_it_has_lost_it(scene, people):
    together(lambda session: qualification.delete(session, "score"), lambda: give(people[1], 1))
    assert [row.worker_id for row in scene.all(GrantedQualification)] == [people[1].id]

    def revoke():
        with transaction() as session:
            grant.revoke(session.get_one(Worker, people[1].id), "score")

    with pytest.raises(UnknownQualificationError, match="deleted at this very moment"):
        together(lambda session: qualification.delete(session, "score"), revoke)
    assert scene.all(GrantedQualification) == []
