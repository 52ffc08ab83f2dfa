"""What does not fit is listed until a person has dealt with it, which is kept with their name and their note."""

from uuid import uuid4

import pytest

from cli import batch
from cli.discrepancy import MEANINGS
from models.agent import Agent
from models.discrepancy import Discrepancy, Finding, report
from models.session import transaction


@pytest.fixture
def strange(scene):
    """A run with a discrepancy about its agent, and one of its account about nothing that we know."""
    run = scene.live(1)
    scene.completed(run)
    agent = scene.all(Agent)[0].id
    with transaction() as session:
        report(session, scene.account, Finding.ILLEGAL_STATUS, agent, "the vendor shows rejected")
        report(session, scene.account, Finding.VANISHED, uuid4(), "gone")
    return {row.finding: row for row in scene.all(Discrepancy)}


def test_what_is_open_is_listed_by_run_and_by_account_and_resolved_once(crowdops, data, scene, strange):
    scene.plan(1, "other")
    one, other = strange[Finding.ILLEGAL_STATUS].id, strange[Finding.VANISHED].id
    assert len(data("discrepancy", "list", "--run", "run")) == 2
    assert [row["id"] for row in data("discrepancy", "list", "--run", "other")] == [str(other)]
    assert len(data("discrepancy", "list", "--requester", "lab")) == 2
    (done,) = data("discrepancy", "resolve", one, str(one)[:8], "--note", "paid by hand")
    assert (done["resolved_by"], done["note"]) == (batch.user(), "paid by hand")
    assert [row["id"] for row in data("run", "show", "run")["discrepancies"]] == [str(other)]
    assert "illegal_status" not in crowdops("discrepancy", "list")
    assert "illegal_status" in crowdops("discrepancy", "list", "--all")
    told = crowdops("discrepancy", "resolve", other, one, "--note", "again", code=2)
    assert f"Discrepancy {one} was resolved at" in told
    assert f"by {batch.user()}: paid by hand" in told
    assert "So none of the 2 discrepancies was changed." in told
    assert scene.get(Discrepancy, other).resolved_at is None
    assert f"Discrepancy {other} (vanished) is resolved." in crowdops("discrepancy", "resolve", other, "--note", "x")
    assert "Nothing is open." in crowdops("discrepancy", "list")


def test_a_discrepancy_is_shown_with_what_it_means_and_what_it_is_about(crowdops, data, strange):
    row = strange[Finding.ILLEGAL_STATUS]
    shown = data("discrepancy", "show", row.id)
    assert (shown["run"], shown["account"], shown["see"]) == ("run", "lab", f"crowdops agent show {row.subject}")
    told = crowdops("discrepancy", "show", str(row.id)[:8])
    assert "Ours was left as it is." in told
    assert f"crowdops discrepancy resolve {row.id}" in told
    assert data("discrepancy", "show", strange[Finding.VANISHED].id)["see"] is None


def test_a_note_is_wanted_and_an_unknown_id_has_its_own_code(crowdops, scene):  # noqa: ARG001 - it holds the servers
    assert "--note" in crowdops("discrepancy", "resolve", "12345678", code=2)
    assert "Say with --note" in crowdops("discrepancy", "resolve", "12345678", "--note", " ", code=2)
    told = crowdops("discrepancy", "resolve", "12345678", "x", "--note", "x", code=3)
    assert "There is no discrepancy '12345678' or 'x'." in told
    assert "There is no discrepancy 'x'." in crowdops("discrepancy", "show", "x", code=3)


def test_every_finding_has_a_meaning():
    assert MEANINGS.keys() == set(Finding)
