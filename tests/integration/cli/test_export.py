"""A run's work is written as it stands, row by row, without the names of people unless they are asked for."""

import csv
import json

import pytest

from cli import export
from models.agent import Agent
from models.session import transaction
from models.worker import Worker
from tasks.handin import hand_in

FORMULAS = {"text": "=1+1", "plus": "+1", "at": "@x", "minus": "-2", "tab": "\tx", "plain": "a, b\nc"}
ANSWER = {**FORMULAS, "number": -2, "list": [1, "=2"], "yes": True, "none": None}


@pytest.fixture
def run(scene):
    """A run of three units: one handed in with data, one given back, one that nobody took."""
    run, state = scene.live(3), scene.simulator.state
    left = state.take_place(scene.study(run)).id
    scene.reconcile(run)
    state.set_status(left, "RETURNED")
    (submission,) = scene.completed(run)
    agent = scene.all(Agent, Agent.submission == submission)[0]
    scene.later(90)
    hand_in(run, agent.id, scene.token(agent.id), "C0DE", ANSWER)
    return run


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_there_is_a_row_for_each_agent_and_for_each_unit_that_nobody_has(crowdops, scene, run):
    rows = lines(crowdops("run", "export", run))
    agents = {str(agent.id): agent for agent in scene.all(Agent)}
    assert sorted((row["status"] or "", row["unit_status"]) for row in rows)[:2] == [("", "launched")] * 2
    by_status = {row["status"]: row for row in rows if row["agent"]}
    assert len(rows) == 4
    done = by_status["completed"]
    assert done["submission"] == agents[done["agent"]].submission
    assert (done["answer"], done["seconds"]) == (ANSWER, pytest.approx(90, abs=30))
    assert done["input"] == {"row": done["assignment"]}
    assert by_status["returned"]["answer"] is None
    assert "worker" not in done


def test_csv_has_a_column_for_each_key_and_disarms_what_a_spreadsheet_would_run(crowdops, run, tmp_path):
    path = tmp_path / "work.csv"
    assert f"Wrote 4 rows of run to {path}." in crowdops("run", "export", run, "--output", path)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    done = next(row for row in rows if row["status"] == "completed")
    assert {name: done[f"answer.{name}"] for name in ANSWER} == {
        "text": "'=1+1",
        "plus": "'+1",
        "at": "'@x",
        "minus": "'-2",
        "tab": "'\tx",
        "plain": "a, b\nc",
        "number": "-2",
        "list": '[1, "=2"]',
        "yes": "true",
        "none": "",
    }
    assert done["input.row"] == done["assignment"]
    assert crowdops("run", "export", run, "--format", "csv").splitlines() == path.read_text().splitlines()


def test_no_name_of_a_worker_is_written_unless_it_is_asked_for(crowdops, scene, run):
    names = {worker.name for worker in scene.all(Worker)}
    for style in ("csv", "jsonl"):
        assert not any(name in crowdops("run", "export", run, "--format", style) for name in names)
        told = crowdops("run", "export", run, "--format", style, "--with-workers")
        assert all(name in told for name in names)


def test_a_run_is_read_in_portions(scene, monkeypatch, tmp_path):
    run = scene.plan(30)
    monkeypatch.setattr(export, "_AT_ONCE", 4)
    with transaction() as session, (tmp_path / "out").open("w") as stream:
        export.snapshot(session)
        assert export.write(session, run, stream, export.Format.CSV, workers=False) == 30
    assert len((tmp_path / "out").read_text().splitlines()) == 31


def test_a_file_that_cannot_be_written_is_bad_input_and_a_failure_leaves_the_old_one(
    crowdops, scene, tmp_path, monkeypatch
):
    scene.plan(1)
    assert "cannot be written" in crowdops("run", "export", "run", "--output", tmp_path / "no" / "x.csv", code=2)
    assert "no file that can be written" in crowdops("run", "export", "run", "--output", tmp_path, code=2)
    (tmp_path / "x").write_text("old")
    monkeypatch.setattr(export, "write", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        crowdops("run", "export", "run", "--output", tmp_path / "x")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("x", "old")]
