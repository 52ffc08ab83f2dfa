"""The ledger is shown, checked and written out, and an account's limits are set, at the command line."""

import csv
import io
import json

import pytest
from sqlalchemy import text

from cli.main import main
from models.posting import Posting
from models.session import transaction
from models.spend_limit import SpendLimit


@pytest.fixture
def run(scene):
    """A run of three units with a quote, one of which is paid."""
    run = scene.live(3, budget_minor=1000, quoted_minor=460, quoted_places=3)
    scene.completed(run)
    scene.approve(run)
    scene.settle()
    return run


def break_it():
    with transaction() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text("DELETE FROM posting WHERE kind = 'settle'"))


def test_a_run_is_shown_with_what_workers_and_the_vendor_get(crowdops, data, run):
    told = crowdops("ledger", "show", "run").splitlines()
    assert told[0].split("\t") == [
        "run",
        "purpose",
        "who gets it",
        "reserved",
        "adjusted",
        "settled",
        "released",
        "open",
    ]
    assert told[1].split("\t")[2:] == ["workers", "GBP 3.60", "GBP 0.00", "GBP 1.20", "GBP 0.00", "GBP 2.40"]
    assert told[2].split("\t")[2:4] == ["vendor", "GBP 1.00"]
    assert told[3] == "run: the budget is GBP 10.00, of which GBP 5.40 can still be committed."
    (one,) = data("ledger", "show", str(run))
    assert one["amount_minor"] == {"reserved": 360, "adjusted": 0, "settled": 120, "released": 0, "open": 240}
    assert (one["purpose"], one["currency"], one["budget_minor"]) == ("pay", "GBP", 1000)
    assert crowdops("ledger", "show", "nothing", code=3)


def test_a_check_ends_well_where_all_agrees(crowdops, data, run):
    assert run
    assert crowdops("ledger", "check") == "Every unit and every bonus has its money where it belongs.\n"
    assert data("ledger", "check", "--requester", "lab") == []


def test_a_check_fails_with_every_violation_and_what_to_do(capsys, run):
    assert run
    break_it()
    with pytest.raises(SystemExit) as ended:
        main(["ledger", "check"])
    told = capsys.readouterr().out
    assert ended.value.code == 1
    assert "accepted work is not settled (is accepted)" in told
    assert "Compare with the vendor's own pages" in told
    assert "2 found that must not be." in told
    with pytest.raises(SystemExit):
        main(["ledger", "check", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert {one["rule"] for one in found} == {
        "accepted work is not settled",
        "money is open where nobody will be paid",
    }


def test_money_in_two_currencies_is_not_added_up(crowdops, run):
    assert run
    with transaction() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text("UPDATE posting SET currency = 'USD' WHERE kind = 'reserve' AND fee_minor = 34"))
    assert "There is money in GBP and in USD" in crowdops("ledger", "show", "run", code=1)


def test_postings_are_written_as_lines_of_json_or_as_csv_that_no_spreadsheet_runs(crowdops, scene, run, tmp_path):
    scene.plan(1, "=cmd()")
    lines = [json.loads(line) for line in crowdops("ledger", "export", "--run", "run").splitlines()]
    assert [line["kind"] for line in lines] == ["reserve"] * 3 + ["settle"]
    assert {line["run_id"] for line in lines} == {str(run)}
    assert (lines[0]["account"], lines[0]["amount_minor"], lines[0]["currency"]) == ("lab", 120, "GBP")
    path = tmp_path / "ledger.csv"
    assert crowdops("ledger", "export", "--output", path) == f"Wrote 5 postings to {path}.\n"
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert sorted({row["run"] for row in rows}) == ["'=cmd()", "run"]
    again = list(csv.DictReader(io.StringIO(crowdops("ledger", "export", "--format", "csv"))))
    assert [row["id"] for row in again] == [row["id"] for row in rows]
    assert len(rows) == len(scene.all(Posting))


def test_limits_are_set_shown_and_taken_off(crowdops, data, run):
    assert run
    assert "No limits are set" in crowdops("requester", "limit", "lab")
    told = crowdops("requester", "limit", "lab", "--account", "50.00", "--worker", "9.99", "--day", "10")
    assert "account\tGBP 50.00\tGBP 4.60" in told
    assert "worker\tGBP 9.99\t-" in told
    assert "account\tGBP 50.00\tGBP 4.60" in crowdops("requester", "show", "lab")
    crowdops("requester", "limit", "lab", "--day", "none", "--account", "60")
    limits = data("requester", "show", "lab")["limits"]
    assert [(one["scope"], one["amount_minor"]) for one in limits] == [("account", 6000), ("worker", 999)]


@pytest.mark.parametrize("amount", ["-1", "0", "1.234", "much"])
def test_a_limit_that_is_no_amount_changes_nothing(crowdops, scene, run, amount):
    assert run
    assert "No limit was changed" in crowdops("requester", "limit", "lab", "--run", "5", f"--day={amount}", code=2)
    assert scene.all(SpendLimit) == []


def test_a_limit_of_an_account_without_runs_needs_its_currency(crowdops, scene):
    assert scene
    assert "--currency GBP" in crowdops("requester", "limit", "lab", "--run", "5", code=2)
    assert "is not known" in crowdops("requester", "limit", "lab", "--run", "5", "--currency", "XXX", code=2)
    crowdops("requester", "limit", "lab", "--run", "5", "--currency", "GBP")


def test_a_launch_beyond_a_limit_is_refused_before_anything_is_written(crowdops, scene, run_file):
    crowdops("requester", "limit", "lab", "--run", "3.35", "--currency", "GBP")
    for options in ([], ["--dry-run"]):
        told = crowdops("run", "launch", run_file(), *options, code=2)
        assert "the account's limit for a run: that is GBP 3.35" in told
        assert "GBP 3.36 more is asked for" in told
    assert scene.all(Posting) == scene.operations() == []
    crowdops("requester", "limit", "lab", "--run", "3.36")
    crowdops("run", "launch", run_file(budget="3.36"))
    assert sum(row.fee_minor for row in scene.all(Posting)) == 96
