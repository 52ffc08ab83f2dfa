"""What a run lacks is offered again from the command line: checked, priced and told as a launch, once."""

import pytest

from models import recruit
from models.session import transaction
from models.task_run import TaskRun

COST = "POST study-cost-calculator/"


@pytest.fixture
def expired(crowdops, scene, run_file):
    """A run of two units that is over; one of them is done. The value is its id."""
    crowdops("run", "launch", run_file())
    scene.settle()
    scene.simulator.advance(3)
    run = scene.all(TaskRun)[0].id
    scene.completed(run, 1)
    crowdops("run", "expire", "pictures")
    scene.settle()
    return run


def test_a_rehearsal_tells_what_would_be_asked_and_paid_and_writes_nothing(crowdops, data, scene, expired):
    before = len(scene.operations())
    told = crowdops("run", "again", "pictures", "--dry-run").splitlines()
    assert "It follows pictures, and lets in nobody who took part in that." in told
    for line in ("run: pictures (2)", "units: 1", "pay: GBP 1.20 each", "cost: GBP 1.68, fees included"):
        assert line in told
    assert "operations: draft 1, publish 1, launch 1" in told
    assert told[-1] == "This is what would be asked of the vendor. Nothing was written, and nothing was sent."
    shown = data("run", "again", str(expired), "--dry-run", "--name", "more")
    assert (shown["name"], shown["cost_minor"], shown["follows"]) == ("more", 168, "pictures")
    assert (len(scene.all(TaskRun)), len(scene.operations())) == (1, before)


def test_it_is_launched_once_and_both_runs_tell_of_each_other(crowdops, data, scene, expired):
    first = data("run", "again", "pictures")
    assert (first["name"], first["units"], first["already_launched"]) == ("pictures (2)", 1, False)
    assert scene.get(TaskRun, first["id"]).args["follows"] == str(expired)
    # By now the money is reserved, which must not keep anybody from seeing that.
    scene.simulator.state.deposit = 0
    again = data("run", "again", "pictures")
    assert (again["id"], again["already_launched"], again["cost_minor"]) == (first["id"], True, None)
    assert "already launched: nothing was added" in crowdops("run", "again", "pictures", "--name", "pictures (2)")
    told = crowdops("run", "again", "pictures", "--name", "other", code=2)
    assert "is followed by 'pictures (2)' already, so nothing else follows it. What that one lacks in the end" in told
    assert data("run", "show", "pictures (2)")["follows"] == ["pictures"]
    assert "follows: pictures" in crowdops("run", "show", "pictures (2)")
    assert data("run", "show", "pictures")["followed_by"] == "pictures (2)"


def test_what_that_one_lacks_goes_out_under_the_next_number(crowdops, data, scene, expired):  # noqa: ARG001 - it is followed
    crowdops("run", "again", "pictures")
    scene.settle()
    crowdops("run", "expire", "pictures (2)")
    scene.settle()
    assert data("run", "again", "pictures (2)")["name"] == "pictures (3)"
    assert data("run", "show", "pictures (3)")["follows"] == ["pictures (2)", "pictures"]


def test_a_run_that_still_recruits_or_lacks_nothing_is_refused(crowdops, scene):
    run = scene.live(1)
    assert f"End that first: `crowdops run expire {run}`." in crowdops("run", "again", "run", code=2)
    scene.completed(run)
    scene.reconcile(run, full=True)
    assert "Run 'run' lacks nothing" in crowdops("run", "again", "run", code=2)
    assert scene.calls(COST) == 0


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_what_cannot_be_paid_or_priced_or_named_is_not_launched(crowdops, scene, expired, options):
    scene.simulator.state.deposit = 0
    told = crowdops("run", "again", "pictures", *options, code=2)
    assert "1 unit cost GBP 1.68, fees included, but the account has GBP" in told
    scene.fault(COST, "500_before")
    assert "The vendor could not be asked what this costs" in crowdops("run", "again", "pictures", *options, code=1)
    assert "--name must be 1 to 200 characters" in crowdops("run", "again", "pictures", "--name", " ", *options, code=2)
    assert [run.id for run in scene.all(TaskRun)] == [expired]


def test_a_name_that_another_run_has_is_refused(crowdops, scene, expired):  # noqa: ARG001 - it is followed
    scene.plan(1, "pictures (2)")
    told = crowdops("run", "again", "pictures", code=2)
    assert "A run named 'pictures (2)' exists with other content. Give the new run another name." in told
    crowdops("run", "again", "pictures", "--name", "more")


def test_a_run_that_was_planned_at_another_vendor_is_not_offered_at_this_one(crowdops, scene, expired):
    with transaction() as session:
        session.get_one(TaskRun, expired).sandbox = False
    told = crowdops("run", "again", "pictures", code=1)
    assert "the run was planned at the real vendor" in told
    assert len(scene.all(TaskRun)) == 1


def test_an_expired_run_is_not_resumed_and_says_what_to_do_instead(crowdops, scene):
    run = scene.live(1)
    with transaction() as session:
        recruit.expire(session.get_one(TaskRun, run))
    told = crowdops("run", "resume", "run", code=2)
    assert "is expired, so there is nothing to resume" in told
    assert f"`crowdops run again {run}` offers what it lacks as a run of its own." in told
