"""What became of a run is shown and followed, and no worker is named by it."""

import json
import select
import signal

from cli import watch
from models.agent import Agent
from models.discrepancy import Finding, report
from models.requester import Requester
from models.session import transaction
from models.task_run import TaskRun
from models.worker import Worker
from tasks import pacing


def test_a_run_is_shown_as_it_goes_on(crowdops, data, scene):
    run = scene.live(3)
    scene.completed(run, 2)
    shown = data("run", "show", "run")
    assert shown["units"] == {"launched": 1, "completed": 2}
    assert shown["agents"] == {"completed": 2}
    assert shown["operations"]["launch"] == {"confirmed": 3}
    assert shown["at_vendor"] == {"study_id": scene.study(run)}
    told = crowdops("run", "show", str(run)[:8])
    assert "pay: GBP 1.20" in told
    assert "units: total 3, launched 1, completed 2" in told
    (line,) = data("run", "list")
    assert (line["total"], line["launched"], line["submitted"], line["approved"]) == (3, 3, 2, 0)


def test_a_discrepancy_is_shown_with_its_run(crowdops, data, scene):
    run, other = scene.live(1), scene.plan(1, "other")
    scene.completed(run)
    (agent,) = scene.all(Agent)
    with transaction() as session:
        report(session, scene.account, Finding.ILLEGAL_STATUS, agent.id, "approved, then not")
        report(session, scene.account, Finding.UNKNOWN_WORD, run, "of nobody that we know")
    assert "illegal_status" in crowdops("run", "show", "run")
    assert [row["detail"] for row in data("run", "show", "run")["discrepancies"]] == [
        "approved, then not",
        "of nobody that we know",
    ]
    assert [row["finding"] for row in data("run", "show", other)["discrepancies"]] == ["unknown_word"]


def test_a_name_that_two_accounts_use_has_to_be_made_clear(crowdops, data, scene):
    first = scene.plan(1)
    crowdops("requester", "add", "shop", "--workspace", "w1", "--project", "p1")
    with transaction() as session:
        copied = {column.key: getattr(session.get_one(TaskRun, first), column.key) for column in TaskRun.__table__.c}
        shop = next(row.id for row in scene.all(Requester) if row.name == "shop")
        session.add(TaskRun(**copied | {"id": shop, "requester_id": shop, "page_key": "another"}))
    assert f"There are 2 runs 'run': {', '.join(sorted([str(first), str(shop)]))}" in crowdops(
        "run", "show", "run", code=2
    )
    assert data("run", "show", first)["account"] == "lab"


def test_watching_prints_what_changes_until_the_run_is_completed(scene, process):
    run = scene.plan(2)
    command = process("run", "watch", "run")
    printed = [command.stdout.readline()]
    assert printed[0].startswith("run: 0 of 2 launched, 0 at work, 0 submitted, 0 approved; 4 operations open")
    scene.settle()
    while "; 0 operations open" not in printed[-1]:
        printed.append(command.stdout.readline())
    assert "2 of 2 launched" in printed[-1]
    # While nothing changes, it looks again a few times and prints nothing.
    assert not select.select([command.stdout], [], [], 2.5 * watch.EVERY)[0]
    scene.approve(run, *scene.completed(run, 2))
    scene.settle()
    scene.reconcile(run)
    printed += command.stdout
    assert "2 approved" in printed[-1]
    assert printed[-1].endswith("The run is completed.\n")
    assert len(set(printed)) == len(printed)
    assert command.wait(10) == 0


def test_watching_a_run_whose_account_is_paused_says_how_to_go_on(scene, process):
    scene.plan(1)
    pacing.pause(scene.account, "the card expired", None)
    first = process("run", "watch", "run").stdout.readline()
    assert "The account is paused: the card expired. When that is mended: `crowdops requester resume lab`" in first


def test_watching_ends_at_ctrl_c(scene, process):
    scene.plan(1)
    command = process("run", "watch", "run", "--json")
    assert json.loads(command.stdout.readline())["total"] == 1
    command.send_signal(signal.SIGINT)
    assert command.wait(10) == 0
    assert command.stderr.read() == ""


def test_no_worker_is_ever_named(crowdops, scene):
    run = scene.live(2)
    scene.completed(run)
    crowdops("review", "approve", "--run", "run")
    operations = [str(row.id) for row in scene.operations()]
    shown = [["run", "list"], ["run", "show", "run"], ["ops", "list"], ["review", "approve", "--run", "run"]]
    shown += [["ops", word, one] for word in ("show", "explain") for one in operations]
    (worker,) = scene.all(Worker)
    printed = "".join(crowdops(*words, *json_too) for words in shown for json_too in ([], ["--json"]))
    assert str(scene.all(Agent)[0].id) in printed
    assert worker.name not in printed
    assert str(worker.id) not in printed
