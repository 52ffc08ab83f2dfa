"""Bonuses are asked for by file or by agent; one row that cannot be paid refuses all, before anything is planned."""

import csv

import pytest
from sqlalchemy import select

from models import budget
from models.agent import Agent
from models.operation import FINAL, State
from models.requester import Requester
from models.session import transaction
from models.spend_limit import Scope
from tests.integration.scene import Scene
from tests.integration.test_bonus import rest as at_rest


@pytest.fixture
def run(scene):
    """A run of three units, handed in and approved."""
    made = scene.live(3)
    scene.completed(made, 3)
    scene.approve(made)
    scene.settle()
    return made


@pytest.fixture
def agents(run):
    """The run's agents, in the order of their submissions."""
    with transaction() as session:
        mine = select(Agent).where(Agent.task_run_id == run).order_by(Agent.submission)
        return session.scalars(mine).all()


@pytest.fixture
def file(tmp_path):
    """A function that writes a CSV file of rows under a header."""

    def write(*rows, header=("submission", "amount", "reason", "key")):
        path = tmp_path / "bonuses.csv"
        with path.open("w", newline="") as stream:
            csv.writer(stream).writerows([header, *rows])
        return path

    return write


def rest(scene):
    while not scene.states("bonus") <= FINAL:
        if not scene.turn():
            scene.later(30)


def sums(scene):
    return sorted(effect.amount_minor for effect in scene.effects("bonus"))


def test_a_file_is_rehearsed_planned_and_shown_again(crowdops, data, scene, agents, file):
    rows = file(
        *(
            (agent.submission, sum_, "Very good.", "may")
            for agent, sum_ in zip(agents, ("0.50", "1", "2.25"), strict=True)
        )
    )
    told = crowdops("bonus", "pay", rows, "--dry-run")
    assert "Would be planned: 3 bonuses, GBP 3.75 for workers and about GBP 1.50 of fees on top." in told
    assert "Nothing was written, and nothing was sent." in told
    assert scene.operations("bonus") == []

    planned = data("bonus", "pay", rows)
    assert (planned["planned"], planned["amount_minor"], planned["fee_minor"], planned["currency"]) == (
        3,
        375,
        150,
        "GBP",
    )
    again = data("bonus", "pay", rows)
    assert (again["planned"], again["existing"], again["operations"]) == (0, {"planned": 3}, [])
    rest(scene)
    assert sums(scene) == [50, 100, 225]
    assert "There already: 3 bonuses (confirmed 3). Nothing was added." in crowdops("bonus", "pay", rows)
    assert sums(scene) == [50, 100, 225]


def test_one_agent_is_paid_by_options_alone(crowdops, scene, agents):
    crowdops("bonus", "pay", "--agent", agents[0].id, "--amount", "0.50", "--reason", "Very good.")
    rest(scene)
    assert sums(scene) == [50]
    story = crowdops("ops", "explain", scene.only("bonus").id)
    assert (
        f"Pay a bonus on top for the work of agent {agents[0].id} of run 'run': Very good. Amount: GBP 0.50." in story
    )


def test_the_same_work_may_get_two_bonuses_under_two_keys_and_never_two_under_one(crowdops, scene, agents, file):
    submission = agents[0].submission
    two = file((submission, "0.50", "good", "a"), (submission, "0.50", "good", "b"))
    crowdops("bonus", "pay", two)
    assert len(scene.operations("bonus")) == 2
    twice = file((submission, "0.50", "good", "c"), (submission, "0.60", "good", "c"))
    assert "line 3: names the same work as line 2" in crowdops("bonus", "pay", twice, code=2)
    assert len(scene.operations("bonus")) == 2


def test_a_key_with_another_sum_is_refused_and_both_are_shown(crowdops, scene, agents, file):
    crowdops("bonus", "pay", file((agents[0].submission, "0.50", "good", "a")))
    told = crowdops("bonus", "pay", file((agents[0].submission, "0.75", "good", "a")), code=2)
    assert "line 2: the key 'a' was used for this work before: GBP 0.50 for 'good'" in told
    assert "and now GBP 0.75 for 'good'; a second bonus needs another key" in told
    assert len(scene.operations("bonus")) == 1


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        (("SUBMISSION", "1.005", "good", "a"), "amount '1.005' has more decimals than GBP, which has 2"),
        (("SUBMISSION", "0", "good", "a"), "amount '0' must be more than zero"),
        (("SUBMISSION", "-1", "good", "a"), "amount '-1' must be more than zero"),
        (("SUBMISSION", "1e2", "good", "a"), "amount '1e2' must be an amount in major units"),
        (("SUBMISSION", "£1", "good", "a"), "amount '£1' must be an amount in major units"),
        (("SUBMISSION", "", "good", "a"), "has no amount"),
        (("SUBMISSION", "1", "", "a"), "has no reason"),
        (("SUBMISSION", "1", "good", "a~2"), "and no ~"),
        (("0" * 24, "1", "good", "a"), f"there is no submission {'0' * 24}"),
        (("SUBMISSION\n", "1", "good", "a"), None),
        (("=1+1", "1", "good", "a"), "there is no submission '=1+1'"),
        (("a\nb", "1", "good", "a"), r"there is no submission 'a\nb'"),
    ],
)
def test_one_bad_row_refuses_the_file_with_its_line(  # noqa: PLR0913, PLR0917 - fixtures and a case
    crowdops, scene, agents, file, cells, problem
):
    bad = (cells[0].replace("SUBMISSION", agents[1].submission), *cells[1:])
    rows = file((agents[0].submission, "1", "good", "a"), bad, (agents[2].submission, "1", "good", "a"))
    if problem is None:
        crowdops("bonus", "pay", rows)
        assert len(scene.operations("bonus")) == 3
        return
    told = crowdops("bonus", "pay", rows, code=2)
    assert "line 3: " in told
    assert problem in told
    assert "Nothing was planned." in told
    assert scene.operations("bonus") == []


def test_the_work_of_another_account_is_refused(crowdops, scene, agents, file):
    other = Scene(scene.simulator, "shop")
    theirs = other.plan(1, "theirs")
    other.settle()
    scene.simulator.advance(3)
    (submission,) = other.completed(theirs, 1)
    told = crowdops(
        "bonus", "pay", file((agents[0].submission, "1", "good", "a"), (submission, "1", "good", "a")), code=2
    )
    assert "line 3: " in told
    assert "belongs to another account than the first one" in told
    assert scene.operations("bonus") == []


def test_more_than_the_account_has_is_refused_with_both_figures(crowdops, scene, agents):
    scene.simulator.state.deposit -= int(scene.simulator.state.available()) - 100
    told = crowdops("bonus", "pay", "--agent", agents[0].id, "--amount", "5", "--reason", "good", code=2)
    assert "This costs GBP 7.00, fees included, but the account has GBP 1.00 left. Nothing was planned." in told
    assert scene.operations("bonus") == []


def test_a_currency_that_is_not_the_accounts_is_refused_with_both_before_anything_is_asked_or_planned(
    crowdops, scene, agents
):
    scene.simulator.state.currency = "USD"
    told = crowdops("bonus", "pay", "--agent", agents[0].id, "--amount", "5", "--reason", "good", code=2)
    assert "These bonuses are in GBP, as their run is, but the account pays in USD. Nothing was planned." in told
    assert (scene.operations("bonus"), scene.calls("POST study-cost-calculator/")) == ([], 0)


def test_more_than_the_run_may_spend_is_refused_with_the_figures(crowdops, scene, agents):
    told = crowdops("bonus", "pay", "--agent", agents[0].id, "--amount", "999999", "--reason", "good", code=2)
    assert "This would go beyond the budget of run 'run': that is GBP 1,000.00, GBP 3.60 of it is committed" in told
    assert scene.operations("bonus") == []


@pytest.mark.parametrize("scope", [Scope.ACCOUNT, Scope.DAY, Scope.WORKER])
def test_bonuses_for_the_work_of_two_runs_count_together_against_the_limits_of_their_account(
    crowdops, scene, agents, file, scope
):
    other = scene.live(1, "other")
    (submission,) = scene.completed(other, 1)
    with transaction() as session:
        theirs = session.scalars(select(Agent).where(Agent.submission == submission)).one()
        theirs.worker_id = agents[0].worker_id
        # Beside what is committed for work, one of them fits.
        committed = 120 if scope is Scope.WORKER else 480
        account = session.get_one(Requester, scene.account)
        budget.set_limit(session, account, scope, committed + 150, "GBP")
    rows = file((agents[0].submission, "1", "good", "a"), (submission, "1", "good", "a"))
    told = crowdops("bonus", "pay", rows, code=2)
    assert "GBP 2.00 more is asked for. Nothing was planned" in told
    assert scene.operations("bonus") == []


def test_a_person_says_what_became_of_a_payment_that_never_showed(crowdops, data, scene, agents):
    crowdops("bonus", "pay", "--agent", agents[0].id, "--amount", "0.50", "--reason", "good")
    operation = scene.only("bonus")
    scene.fault("POST bulk-bonus-payments/{id}/pay/", "drop_before")
    scene.send(operation)
    scene.put(operation, state=State.REVIEW, reason="settled and not there, which proves nothing at this vendor")
    assert str(operation.id)[:8] in crowdops("ops", "list", "--state", "review")
    story = crowdops("ops", "explain", operation.id)
    assert "no readable answer came, so it may have happened" in story
    assert "Before the last request the vendor showed: bonus_payments" in story
    assert "settled and not there, which proves nothing" in story
    for word in ("paid", "not-paid", "rejected"):
        assert f"`crowdops ops resolve {operation.id} {word} --note ...`" in story
    told = crowdops("ops", "resolve", operation.id, "not-paid", "--note", "looked at the submission")
    assert "is planned" in told
    rest(scene)
    assert sums(scene) == [50]
    (note,) = data("ops", "show", operation.id)["note"].splitlines()
    assert note.endswith("retry: looked at the submission")


def test_a_payment_that_is_accepted_and_never_made_goes_to_a_person_who_is_told_so(crowdops, scene, agents):
    crowdops("bonus", "pay", "--agent", agents[0].id, "--amount", "0.50", "--reason", "good")
    operation = scene.only("bonus")
    scene.fault("POST bulk-bonus-payments/{id}/pay/", "never_done")
    scene.send(operation)
    assert scene.only("bonus").state is State.SUBMITTED
    at_rest(scene)
    assert (scene.only("bonus").state, sums(scene)) == (State.REVIEW, [])
    story = crowdops("ops", "explain", operation.id)
    assert "a request; the vendor took it" in story
    assert "settled and not there, which proves nothing at this vendor" in story
    assert f"`crowdops ops resolve {operation.id} not-paid --note ...`" in story
    crowdops("ops", "resolve", operation.id, "not-paid", "--note", "it is not in the list of transactions")
    rest(scene)
    assert sums(scene) == [50]
