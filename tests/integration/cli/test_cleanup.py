"""What was made for runs that are over, and qualifications that nobody asks for, are deleted from the command line."""

import pytest

from models.session import transaction
from models.task_run import TaskRun
from models.worker import Worker

SCORE = "[{name: score, comparator: GreaterThan, value: 5}]"
GROUP = "'crowdops lab: score GreaterThan 5'"


@pytest.fixture
def over(crowdops, scene, run_file):
    """A function that launches a run that asks for a score of more than 5, and ends it."""
    scene.completed(scene.live(1))
    crowdops("worker", "grant", scene.all(Worker)[0].id, "score", "--value", "9")

    def end(name):
        crowdops("run", "launch", run_file(name=name, qualifications=SCORE))
        scene.settle()
        crowdops("run", "expire", name)
        scene.settle()
        with transaction() as session:
            run = session.query(TaskRun).filter_by(name=name).one().id
        scene.reconcile(run, full=True)
        return run

    return end


def test_a_run_that_is_over_is_cleaned_up_once_and_told(crowdops, data, scene, over):
    over("pictures")
    told = crowdops("run", "cleanup", "pictures")
    deletion = scene.only("ungroup")
    assert f"Planned: delete group {GROUP} at the vendor, operation {deletion.id}, which is planned." in told
    assert f"Delete the group {GROUP} at the vendor" in crowdops("ops", "explain", deletion.id)
    scene.settle()
    (again,) = data("run", "cleanup", "pictures")["operations"]
    assert (again["operation"], again["state"], again["planned"]) == (str(deletion.id), "confirmed", False)
    assert "There already: delete group" in crowdops("run", "cleanup", "pictures")


def test_a_run_that_goes_on_is_refused_and_keeps_what_others_share_with_it(crowdops, data, scene, over, run_file):
    over("pictures")
    crowdops("run", "launch", run_file(name="more", qualifications=SCORE))
    assert "Run 'more' is not over" in crowdops("run", "cleanup", "more", code=2)
    assert f"Kept: group {GROUP}, which runs that are not over ask for: more." in crowdops("run", "cleanup", "pictures")
    assert data("run", "cleanup", "pictures")["kept"] == {GROUP.strip("'"): ["more"]}
    assert scene.operations("ungroup") == []


def test_a_run_that_made_nothing_has_nothing_to_clean_up(crowdops, scene):
    scene.plan(1)
    crowdops("run", "expire", "run")
    assert "Nothing at the vendor was made for run that could be deleted" in crowdops("run", "cleanup", "run")


def test_qualifications_are_listed_and_deleted_with_what_belongs_to_them(crowdops, data, scene, over, run_file):
    over("pictures")
    (row,) = data("qualification", "list")
    assert (row["name"], row["workers"], row["groups"]) == ("score", 1, 1)
    crowdops("run", "launch", run_file(name="more", qualifications=SCORE))
    told = crowdops("qualification", "delete", "score", code=2)
    assert "'score' is asked for by runs that are not over: more" in told
    crowdops("run", "expire", "more")
    told = crowdops("qualification", "delete", "score")
    assert "Deleted score, and the number that 1 worker had in it." in told
    assert f"Planned: delete group {GROUP} at the vendor" in told
    assert "name\tworkers\tgroups" in crowdops("qualification", "list")
    assert data("qualification", "list") == []
    assert "There is no qualification 'score'. Known: none." in crowdops("qualification", "delete", "score", code=3)
    scene.settle()
    at_vendor = {f"'{group.name}'": group.deleted for group in scene.simulator.state.groups.values()}
    assert at_vendor == {GROUP: True, "'crowdops lab: blocked'": False}
