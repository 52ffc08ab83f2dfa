"""A launch is checked, priced, recorded once and told, or nothing is written."""

import pytest
import redis

from models.operation import State
from models.project import Project
from models.task_run import TaskRun
from tasks import pacing

BALANCE = "GET workspaces/{workspace_id}/balance/"


def test_a_dry_run_tells_everything_and_writes_nothing(crowdops, data, scene, run_file):
    told = crowdops("run", "launch", run_file(), "--dry-run")
    for line in ("title: Which is sharper?", "units: 2", "pay: GBP 1.20 each", "cost: GBP 3.36, fees included"):
        assert line in told.splitlines()
    assert "operations: draft 1, publish 1, launch 2" in told.splitlines()
    assert "balance: GBP 10,000.00" in told.splitlines()
    assert data("run", "launch", run_file(), "--dry-run")["cost_minor"] == 336
    assert (scene.all(TaskRun), scene.all(Project), scene.operations()) == ([], [], [])
    assert scene.turn() == []
    assert scene.simulator.state.studies == {}


def test_a_launch_is_on_record_with_every_operation_and_wakes_the_fleet(data, scene, run_file, broker_url):
    told = data("run", "launch", run_file())
    assert told["operations"] == {"draft": 1, "publish": 1, "launch": 2}
    run = scene.get(TaskRun, told["id"])
    assert (run.pay_minor, run.budget_minor, run.currency, run.sandbox) == (120, 1000, "GBP", True)
    assert run.args["title"] == "Which is sharper?"
    with redis.Redis(unix_socket_path=broker_url.removeprefix("redis+socket://")) as broker:
        assert broker.llen("crowdops:control") == 1
    scene.settle()
    assert scene.states() == {State.CONFIRMED}


def test_the_same_file_is_launched_once(crowdops, data, scene, run_file):
    first = data("run", "launch", run_file())
    assert not first["already_launched"]
    # By now the money is reserved, which must not keep anybody from seeing that.
    scene.simulator.state.deposit = 0
    again = data("run", "launch", run_file(pay='"1.2"', task="pictures"))
    assert again["already_launched"]
    assert again["id"] == first["id"]
    assert "already launched: nothing was added" in crowdops("run", "launch", run_file(), "--dry-run")
    assert len(scene.operations()) == 4


@pytest.mark.parametrize("other", [["--limit", "1"], []])
def test_the_same_name_with_other_content_is_refused(crowdops, scene, run_file, other):
    crowdops("run", "launch", run_file())
    told = crowdops("run", "launch", run_file() if other else run_file(pay="1.21"), *other, code=2)
    assert "A run named 'pictures' was launched before with other content" in told
    assert len(scene.operations()) == 4


def test_a_limit_takes_the_first_rows(data, run_file, scene):  # noqa: ARG001 - it holds the account
    assert data("run", "launch", run_file(), "--limit", "1")["units"] == 1


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_a_run_that_costs_too_much_is_refused_before_anything_is_written(crowdops, scene, run_file, options):
    told = crowdops("run", "launch", run_file(budget="3.35"), *options, code=2)
    assert "2 units cost GBP 3.36, fees included, but the budget is GBP 3.35" in told
    scene.simulator.state.deposit = 335
    told = crowdops("run", "launch", run_file(budget="3.36"), *options, code=2)
    assert "2 units cost GBP 3.36, fees included, but the account has GBP 3.35 left" in told
    assert (scene.all(TaskRun), scene.operations()) == ([], [])
    scene.simulator.state.deposit = 336
    crowdops("run", "launch", run_file(budget="3.36"), *options)


def test_a_run_in_a_currency_that_the_account_does_not_pay_is_refused(crowdops, scene, run_file):
    assert "GBP" in crowdops("run", "launch", run_file(currency="USD"), code=2)
    assert scene.all(TaskRun) == []


def test_a_run_for_an_account_that_is_not_there_is_refused(crowdops, scene, run_file):
    assert "There is no account 'nobody'. Known: lab." in crowdops(
        "run", "launch", run_file(requester="nobody"), code=3
    )
    assert scene.all(TaskRun) == []


def test_a_broken_run_file_is_told_with_its_lines_and_writes_nothing(crowdops, scene, run_file):
    told = crowdops("run", "launch", run_file(pay="free", provider="{colour: red}"), code=2)
    assert "run.yaml line 11: pay: must be an amount in major units" in told
    assert "run.yaml line 12: provider.colour: there is no such field" in told
    assert "Nothing was launched" in told
    assert scene.all(TaskRun) == []


@pytest.mark.parametrize("fault", ["500_before", "drop_after", "429"])
def test_a_vendor_that_does_not_answer_lets_nothing_be_launched(crowdops, scene, run_file, fault):
    scene.fault(BALANCE, fault, times=5)
    assert "The vendor could not be asked" in crowdops("run", "launch", run_file(), code=1)
    assert scene.all(TaskRun) == []


def test_a_launch_without_a_credential_says_where_it_should_be(crowdops, scene, run_file, monkeypatch):
    monkeypatch.delenv("CROWDOPS_PROLIFIC_TOKEN")
    told = crowdops("run", "launch", run_file(), code=1)
    assert "There is no secret at env:CROWDOPS_PROLIFIC_TOKEN" in told
    assert "this terminal needs the token as well" in told
    assert scene.all(TaskRun) == []


def test_units_that_are_not_there_are_told_with_the_line_that_names_them(crowdops, scene, run_file):
    told = crowdops("run", "launch", run_file(units="gone.csv", pay="free"), code=2)
    assert "run.yaml line 10: units: " in told
    assert "gone.csv cannot be read: No such file or directory" in told
    assert "run.yaml line 11: pay: must be an amount" in told
    assert scene.all(TaskRun) == []


def test_a_launch_for_a_paused_account_is_recorded_and_says_why_it_waits(crowdops, scene, run_file):
    crowdops("requester", "pause", "lab", "--reason", "the card expired")
    told = crowdops("run", "launch", run_file())
    assert "The run is recorded, and waits. The account is paused: the card expired." in told
    assert "When that is mended: `crowdops requester resume lab`" in told
    assert scene.states() == {State.PLANNED}


def test_a_pause_that_ends_by_itself_says_when_and_is_not_told_after_that(crowdops, scene, run_file):
    pacing.pause(scene.account, "a storm", 60)
    scene.plan(1, "other")
    told = crowdops("run", "show", "other")
    assert "The account is paused: a storm. It goes on at 20" in told
    assert "or now with `crowdops requester resume lab`" in told
    scene.later(61)
    assert "the workers carry it out" in crowdops("run", "launch", run_file())


def test_a_launch_without_a_broker_is_recorded_and_says_so(scene, run_file, process, monkeypatch):
    monkeypatch.setenv("CROWDOPS_BROKER_URL", "redis://127.0.0.1:1/0")
    command = process("run", "launch", str(run_file()))
    out, err = command.communicate(timeout=30)
    assert command.returncode == 0, err
    assert "The run is recorded" in out
    assert "The broker does not answer" in err
    scene.settle()
