"""A report counts the money twice, by our ledger and by the vendor's, and whatever differs is a problem."""

import csv
from dataclasses import replace
from decimal import Decimal

import pytest

from cli import person, report, stage, thanks
from cli.thanks import Thanks
from models import bonus
from models.agent import Agent
from models.bonus import Bonus
from models.operation import State
from models.posting import Purpose
from models.session import transaction
from tests.integration.test_bonus import PAY, rest

PRICE = 168
"""What a place costs with its fees, in minor units: the simulator asks for 40 % on top of the pay."""


@pytest.fixture
def played(scene):
    """What the report compares with: a simulator whose wallet is as full as it was before the first run."""
    state = scene.simulator.state
    there = stage.Stage(scene.simulator.url, state.workspace, state.project, simulated=True)
    return replace(there, deposit=there.wallet())


@pytest.fixture
def run(scene, played):  # noqa: ARG001 - the wallet is looked at before the run
    """A run of three units whose work is approved, one of them in the vendor's own pages."""
    made = scene.live(3, quoted_minor=3 * PRICE, quoted_places=3)
    first, *_ = scene.completed(made, 3)
    scene.simulator.state.set_status(first, "APPROVED")
    scene.simulator.reviewer.decided["APPROVED"] += 1
    scene.reconcile(made)
    scene.approve(made)
    scene.settle()
    return made


@pytest.fixture
def file(tmp_path):
    """Where the file of bonuses is written."""
    return Thanks(tmp_path / "bonuses.csv")


def lines(made):
    """What workers got for each purpose: by our ledger, and by the vendor's."""
    return {line.purpose: (line.settled_minor, line.theirs_minor) for line in made.money.lines}


def test_pay_and_bonuses_agree_to_the_minor_unit_whoever_approved(scene, run, played, file):
    file.pay_one(run)
    file.pay()
    file.pay_again()
    rest(scene)
    made = report.report([run], played, [], file)
    assert made.problems == []
    assert lines(made) == {Purpose.PAY: (360, 360), Purpose.BONUS: (40, 40)}
    assert made.ours == made.theirs
    assert (made.thanks["planned"], made.thanks["added_again"]) == (2, 0)
    assert abs(made.money.wallet.ours_minor - made.money.wallet.theirs_minor) <= made.money.wallet.rounding_minor


def thank(scene, sum_=50):
    """Plan one bonus, for the first who came."""
    with transaction() as session:
        bonus.pay(session, [Bonus(session.get_one(Agent, scene.all(Agent)[0].id), sum_, "good")])


def test_a_payment_that_is_not_ours_is_a_problem(scene, run, played):
    thank(scene)
    rest(scene)
    (effect,) = scene.effects("bonus")
    scene.simulator.state.ledger.append(effect)
    problems = report.report([run], played, []).problems
    assert f"bonus of 50 for {effect.submission}: 1 by our rows, 2 at the vendor" in problems
    assert "bonus: workers got GBP 0.50 by our ledger, GBP 1.00 at the vendor" in problems


def test_what_the_wallet_lost_and_nobody_paid_is_a_problem(run, played):
    (problem,) = report.report([run], replace(played, deposit=played.deposit + 500), []).problems
    assert problem.startswith("The vendor's wallet went down by")


def test_money_that_is_still_open_is_a_problem(scene, run, played):
    thank(scene)
    assert any("is still open in our ledger" in line for line in report.report([run], played, []).problems)


def test_a_file_that_is_not_paid_a_second_time_is_a_problem(scene, run, played, file):
    file.pay_one(run)
    file.pay()
    rest(scene)
    assert any("only 2 were planned, once" in line for line in report.report([run], played, [], file).problems)


def test_half_of_the_people_are_thanked_and_what_that_costs_is_within_what_is_foreseen(run, file):
    file.pay_one(run)
    file.pay()
    with file.file.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["amount"] for row in rows] == ["0.15", "0.25"]
    assert sum(Decimal(row["amount"]) for row in rows) * thanks.ON_TOP <= thanks.most(3) <= 2 * thanks.most(1)


def test_a_payment_in_doubt_is_decided_only_when_the_vendor_had_its_time(scene, run):
    scene.fault(PAY, "drop_before")
    thank(scene)
    rest(scene)
    assert scene.states("bonus") == {State.REVIEW}
    assert list(person.decide(run, settle=10**6)) == []
    (decided,) = person.decide(run)
    assert person.summed([decided]) == [f"1 bonus operation needed a person: {decided.why}"]
    assert "decided: retry" in decided.why
    rest(scene)
    assert scene.states("bonus") == {State.CONFIRMED}
    assert len(scene.effects("bonus")) == 1
