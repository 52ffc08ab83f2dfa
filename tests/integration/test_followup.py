"""What a run lacks when nobody is recruited any more goes out as a run of its own, to people who had no part in it."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from models import followup as chain
from models import recruit, review
from models.agent import Agent
from models.assignment import Assignment
from models.operation import State
from models.plan import ConflictError
from models.session import transaction
from models.status import IllegalMoveError
from models.task_run import TaskRun
from models.unit import Unit
from models.worker import Worker
from tasks import followup
from tests.integration.scene import spec

WORDS = "The page shows that nothing was written into any of the fields, although that is what was asked. " * 2


def expire(scene, run):
    """End the recruiting, and let that come home."""
    with transaction() as session:
        recruit.expire(session.get_one(TaskRun, run))
    scene.settle()
    scene.reconcile(run, full=True)


def reject(scene, run, *submissions, verb=review.reject, words=("OTHER", WORDS)):
    """Refuse work, and let that come home."""
    with transaction() as session:
        agents = session.query(Agent).filter(Agent.submission.in_(submissions)).all()
        verb(session.get_one(TaskRun, run), agents, *words)
    scene.settle()


def accept(scene, run, *submissions):
    """Approve work, and let that come home."""
    scene.approve(run, *submissions)
    scene.settle()
    scene.reconcile(run)


def again(run, name="again"):
    """The run that follows."""
    with transaction() as session:
        wanted = followup.wanted(session.get_one(TaskRun, run), name)
    with transaction() as session:
        return followup.create(session, run, wanted)[0].id


def offered(run):
    """How many units each row of a run's data has, by its place in the file."""
    with transaction() as session:
        units = session.query(Assignment.index, Assignment.data).join(Unit).filter(Unit.task_run_id == run).all()
    assert all(data == {"row": index} for index, data in units)
    return dict(Counter(index for index, _ in units))


def rows_of(run, *submissions):
    """The places in the file of the rows that were worked on."""
    with transaction() as session:
        found = session.query(Agent.submission, Assignment.index).join(Unit, Agent.unit_id == Unit.id).join(Assignment)
        where = dict(found.filter(Agent.task_run_id == run).all())
    return [where[one] for one in submissions]


def live(scene, run):
    """Let the run's study recruit."""
    scene.settle()
    scene.simulator.advance(3)
    return run


def test_what_expired_or_was_rejected_is_offered_again_and_what_is_undecided_is_not(scene):
    run = scene.live(5)
    accepted, rejected, soft, undecided = scene.completed(run, 4)
    accept(scene, run, accepted)
    expire(scene, run)
    reject(scene, run, rejected)
    reject(scene, run, soft, verb=review.soft_reject, words=())
    (good, waiting) = rows_of(run, accepted, undecided)
    new = again(run)
    assert offered(new) == {row: 1 for row in range(5) if row not in (good, waiting)}
    assert scene.get(TaskRun, new).args["follows"] == str(run)
    live(scene, new)
    assert len(scene.hand_in(new, 3)) == 3
    scene.reconcile(new)
    assert [scene.get(Unit, unit.id).status for unit in scene.all(Unit, Unit.task_run_id == new)] == ["completed"] * 3


def test_only_the_missing_units_of_a_row_are_offered_and_surplus_work_counts(scene):
    run = scene.live(2, units_per_assignment=3)
    submissions = scene.completed(run, 2)
    with transaction() as session:
        # Whoever comes next finds no unit, works all the same, and is given one beside those of a row.
        for unit in session.query(Unit).filter(Unit.agent_id.is_(None)):
            unit.expire()
    extra = scene.completed(run, 1)
    accept(scene, run)
    expire(scene, run)
    done = Counter(rows_of(run, *submissions, *extra))
    assert offered(again(run)) == {row: 3 - done[row] for row in (0, 1) if done[row] < 3}


def test_who_took_part_before_is_not_let_in_and_is_not_eligible(scene):
    run = scene.live(3)
    done, gone = scene.simulator.state.take_place(scene.study(run)), scene.simulator.state.take_place(scene.study(run))
    scene.simulator.state.finish(done.id)
    scene.simulator.state.set_status(gone.id, "RETURNED")
    scene.reconcile(run)
    expire(scene, run)
    new = live(scene, again(run))
    for submission in (done, gone):
        with pytest.raises(ValueError, match="took part in a study of its previous_studies_blocklist"):
            scene.simulator.state.take_place(scene.study(new), submission.participant)
    with transaction() as session:
        assert not any(worker.is_eligible(session.get_one(TaskRun, new)) for worker in session.query(Worker))
        assert all(worker.is_eligible(session.get_one(TaskRun, run)) for worker in session.query(Worker))
    (other,) = scene.completed(new)
    assert scene.simulator.state.submissions[other].participant not in {done.participant, gone.participant}


def test_a_third_run_names_both_studies_before_it_and_takes_up_what_either_lacks(scene):
    first = scene.live(3)
    late, undecided = scene.completed(first, 2)
    accept(scene, first, late)
    expire(scene, first)
    (row,) = rows_of(first, undecided)
    second = live(scene, again(first, "second"))
    (left,) = offered(second)
    reject(scene, first, undecided)
    expire(scene, second)
    third = again(second, "third")
    assert offered(third) == {left: 1, row: 1}
    draft = next(operation for operation in scene.operations("draft") if operation.run_id == third)
    assert draft.body["previous_studies"] == [scene.study(second), scene.study(first)]
    with transaction() as session:
        assert [one.name for one in chain.before(session.get_one(TaskRun, third))] == ["second", "run"]


def test_a_run_that_still_recruits_is_refused_with_what_to_do_first(scene):
    run = scene.live(2)
    with pytest.raises(IllegalMoveError, match=f"'run' still recruits.*`crowdops run expire {run}`"):
        again(run)
    with transaction() as session:
        recruit.expire(session.get_one(TaskRun, run))
    with pytest.raises(IllegalMoveError, match=f"not seen to be stopped yet.*--run {run} --kind stop"):
        again(run)
    scene.settle()
    assert offered(again(run)) == {0: 1, 1: 1}


def test_a_run_that_was_over_and_is_open_again_is_refused_even_further_back(scene):
    run = scene.live(2)
    expire(scene, run)
    second = live(scene, again(run, "second"))
    expire(scene, second)
    with transaction() as session:
        found = session.get_one(TaskRun, run)
        found.facts, found.is_completed = {"study_id": found.facts["study_id"]}, False
    with pytest.raises(IllegalMoveError, match="Run 'run' is expired, but its study was not seen to be stopped"):
        again(second, "third")


def test_a_run_that_lacks_nothing_is_refused(scene):
    run = scene.live(1)
    scene.completed(run)
    scene.reconcile(run, full=True)
    with pytest.raises(IllegalMoveError, match="lacks nothing"):
        again(run)


def test_a_run_that_never_had_a_study_is_followed_by_one_that_is_for_everybody(scene):
    run = scene.plan(2)
    with transaction() as session:
        recruit.expire(session.get_one(TaskRun, run))
    new = live(scene, again(run))
    assert offered(new) == {0: 1, 1: 1}
    filters = scene.simulator.state.study(scene.study(new)).fields["filters"]
    assert [one["filter_id"] for one in filters] == ["participant_group_blocklist"]


def test_whoever_makes_it_first_makes_the_only_one(scene):
    run = scene.live(2)
    expire(scene, run)

    def make(name):
        with suppress(ConflictError):
            return again(run, name)

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(make, ("one", "two", "one", "two")))
    assert len({*made} - {None}) == 1
    assert len(scene.all(TaskRun)) == 2
    scene.settle()
    assert scene.states("launch") == {State.CONFIRMED}
    with transaction() as session, pytest.raises(ConflictError, match=r"is followed by '(one|two)' already"):
        followup.existing(session.get_one(TaskRun, run), "three")


def test_what_changed_since_it_was_priced_is_not_launched(scene):
    run = scene.live(2)
    scene.completed(run, 1)
    expire(scene, run)
    with transaction() as session:
        wanted = followup.wanted(session.get_one(TaskRun, run), "again")
    reject(scene, run, *scene.simulator.state.submissions)
    with transaction() as session, pytest.raises(ConflictError, match="Nothing was launched: try again"):
        followup.create(session, run, wanted)
    assert len(scene.all(TaskRun)) == 1


def test_a_run_of_the_same_name_is_no_run_that_follows(scene):
    scene.plan(1, "again", content_hash="other")
    run = scene.live(2)
    expire(scene, run)
    with pytest.raises(ConflictError, match="A run named 'again' exists with other content"):
        again(run)


def test_the_new_run_is_as_the_old_one_was(scene):
    args = spec("x").args | {"maximum_units_per_worker": 2}
    run = scene.live(2, args=args, refill=True)
    expire(scene, run)
    old, new = scene.get(TaskRun, run), scene.get(TaskRun, again(run))
    for name in ("task_id", "task_url", "pay_minor", "currency", "budget_minor", "sandbox", "refill", "requester_id"):
        assert getattr(old, name) == getattr(new, name)
    assert new.args == args | {"name": "again", "follows": str(run)}
    assert new.page_key != old.page_key
