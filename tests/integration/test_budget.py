"""No more is committed than a run's budget and an account's limits allow, however many plan at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import select, text

from models import budget, clock, recruit
from models.agent import Agent
from models.budget import BudgetError, Spend, assert_within
from models.identity import assignment_id
from models.operation import Operation, State
from models.plan import Intent, plan, retry
from models.posting import Posting
from models.requester import Requester
from models.session import transaction
from models.spend_limit import Scope, SpendLimit
from models.task_run import TaskRun
from models.unit import Unit, unit_row


def limit(scene, scope, amount, currency="GBP"):
    with transaction() as session:
        budget.set_limit(session, session.get_one(Requester, scene.account), scope, amount, currency)


def blocked():
    """Whether somebody waits for somebody else."""
    with transaction() as session:
        return session.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one()


def more(run, number=1):
    """The ids of further units of a run, which nobody launched."""
    with transaction() as session:
        held = session.get_one(TaskRun, run)
        first = len(session.scalars(select(Unit.id).where(Unit.task_run_id == run)).all())
        rows = [unit_row(held, assignment_id(run, 0), first + offset) for offset in range(number)]
        session.execute(Unit.__table__.insert(), [row | {"status": "created"} for row in rows])
        return [row["id"] for row in rows]


def launch(*ids):
    with transaction() as session:
        units = [session.get_one(Unit, key) for key in ids]
        recruit.launch(units[0].task_run, units)


def ask(scene, run, amount=50, worker=None, fee=0):
    """Whether so much may be spent."""
    assert scene
    with transaction() as session:
        assert_within(
            session,
            session.get_one(TaskRun, run),
            [Spend(amount_minor=amount, fee_minor=fee, worker_id=worker)],
        )


def pay(scene, run, amount=50, key="1"):
    """Plan a bonus as its verb does: asked for, then written."""
    with transaction() as session:
        held = session.get_one(TaskRun, run)
        agent = session.scalars(select(Agent).where(Agent.task_run_id == run)).first()
        assert_within(session, held, [Spend(amount_minor=amount, worker_id=agent.worker_id)])
        intent = Intent(
            requester_id=scene.account, kind="bonus", target=agent.submission, key=key, amount_minor=amount,
            currency="GBP", run_id=run, agent_id=agent.id, worker_id=agent.worker_id,
        )  # fmt: skip
        return plan(session, [intent])[0]


def test_a_run_that_costs_its_budget_exactly_is_launched(scene):
    run = scene.plan(3, budget_minor=461, quoted_minor=461, quoted_places=3)
    with transaction() as session:
        assert session.get_one(TaskRun, run).get_available_budget() == 0


def test_a_run_that_costs_a_penny_more_is_refused_with_the_figures_and_nothing_is_written(scene):
    with pytest.raises(BudgetError) as refused:
        scene.plan(3, budget_minor=460, quoted_minor=461, quoted_places=3)
    for words in ("the budget of run 'run'", "GBP 4.60", "GBP 0.00 of it is committed", "GBP 4.61 more"):
        assert words in str(refused.value)
    assert (scene.all(TaskRun), scene.all(Posting), scene.operations()) == ([], [], [])


def test_a_refusal_leaves_a_transaction_that_goes_on_without_a_trace(scene):
    run = scene.plan(1, budget_minor=120)
    (further,) = more(run)
    with transaction() as session:
        unit = session.get_one(Unit, further)
        with pytest.raises(BudgetError):
            unit.launch()
    assert (scene.get(Unit, further).place, scene.get(TaskRun, run).places) == (None, 1)
    assert len(scene.all(Posting)) == len(scene.operations("launch")) == 1


def test_launching_the_same_units_again_asks_for_nothing(scene):
    scene.plan(2, budget_minor=240)
    launch(*[unit.id for unit in scene.all(Unit)])
    assert len(scene.all(Posting)) == len(scene.operations("launch")) == 2


def test_what_is_released_can_be_spent_again(scene):
    run = scene.plan(1, budget_minor=240)
    first, second = more(run, 2)
    launch(first)
    with pytest.raises(BudgetError):
        launch(second)
    with transaction() as session:
        session.get_one(Unit, first).expire()
    launch(second)


@pytest.mark.parametrize("scope", [None, Scope.ACCOUNT, Scope.DAY])
def test_of_two_who_plan_at_once_only_one_fits(scene, scope):
    """Two runs of one account share its limits; two launches of one run share its budget."""
    runs = [scene.plan(1, "one", budget_minor=240), scene.plan(1, "two", budget_minor=240)]
    ids = more(runs[0], 2) if scope is None else [more(run)[0] for run in runs]
    if scope is not None:
        limit(scene, scope, 360)
    together = Barrier(2)

    def one(key):
        together.wait(10)
        try:
            launch(key)
        except BudgetError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(one, ids)) == [False, True]
    assert len(scene.all(Posting)) == 3


def test_the_second_planner_waits_for_the_first_and_then_sees_what_it_took(scene, eventually):
    runs = [scene.plan(1, "one"), scene.plan(1, "two")]
    first, second = (more(run)[0] for run in runs)
    limit(scene, Scope.ACCOUNT, 360)
    with ThreadPoolExecutor(1) as pool:
        with transaction() as session:
            unit = session.get_one(Unit, first)
            unit.launch()
            waiting = pool.submit(launch, second)
            eventually(blocked)
            assert not waiting.done()
        with pytest.raises(BudgetError, match=r"GBP 3\.60 of it is committed"):
            waiting.result(timeout=10)


def test_a_limit_that_is_set_waits_for_who_is_planning(scene, eventually):
    run = scene.plan(1)
    (further,) = more(run)
    with ThreadPoolExecutor(1) as pool:
        with transaction() as session:
            session.get_one(Unit, further).launch()
            waiting = pool.submit(limit, scene, Scope.ACCOUNT, 240)
            eventually(blocked)
            assert not waiting.done()
        waiting.result(timeout=10)
    with pytest.raises(BudgetError):
        launch(*more(run))


@pytest.mark.parametrize(
    ("scope", "most", "words"),
    [
        (Scope.ACCOUNT, 359, "the account's limit: that is GBP 3.59, GBP 2.40 of it is committed, and GBP 1.20 more"),
        (Scope.DAY, 359, "the account's limit for a day (UTC): that is GBP 3.59, GBP 2.40 of it is committed"),
        (Scope.RUN, 239, "the account's limit for a run: that is GBP 2.39, GBP 1.20 of it is committed"),
        (Scope.OPERATION, 119, "the account's limit for a single payment: that is GBP 1.19"),
    ],
)
def test_each_limit_refuses_what_goes_beyond_it_and_lets_what_fits(scene, scope, most, words):
    run = scene.plan(1, "one")
    scene.plan(1, "two")
    (further,) = more(run)
    limit(scene, scope, most)
    with pytest.raises(BudgetError) as refused:
        launch(further)
    assert words in str(refused.value)
    limit(scene, scope, most + 1)
    launch(further)


def test_the_limit_for_a_worker_counts_what_they_have_and_may_get(scene):
    run = scene.live(2)
    scene.completed(run, 1)
    (agent,) = scene.all(Agent)
    limit(scene, Scope.WORKER, 200)
    pay(scene, run, 50)
    with pytest.raises(BudgetError, match=r"a worker: that is GBP 2\.00, GBP 1\.70 of it is committed, and GBP 0\.31"):
        ask(scene, run, 31, agent.worker_id)
    ask(scene, run, 30, agent.worker_id)
    scene.approve(run)
    scene.send(*scene.operations("approve"))
    scene.later(60)
    scene.read(*scene.operations("approve"))
    assert scene.states("approve") == {State.CONFIRMED}
    with pytest.raises(BudgetError, match=r"GBP 1\.70 of it is committed"):
        ask(scene, run, 31, agent.worker_id)
    ask(scene, run, 200, None)


def test_a_day_ends_at_midnight_and_what_is_released_today_of_yesterday_makes_no_room(scene):
    run = scene.plan(1)
    first, second, third = more(run, 3)
    launch(first)
    with transaction() as session:
        clock.advance(session, timedelta(days=1))
    limit(scene, Scope.DAY, 120)
    launch(second)
    with transaction() as session:
        session.get_one(Unit, first).expire()
    with pytest.raises(BudgetError):
        launch(third)
    with transaction() as session:
        session.get_one(Unit, second).expire()
    launch(third)


def test_fees_count_against_budgets_and_not_against_a_single_payment(scene):
    run = scene.plan(1, budget_minor=400)
    limit(scene, Scope.OPERATION, 100)
    ask(scene, run, 100, fee=180)
    with pytest.raises(BudgetError, match="the budget of run"):
        ask(scene, run, 100, fee=181)


def test_a_limit_in_another_currency_refuses_everything(scene):
    run = scene.plan(1)
    limit(scene, Scope.DAY, 10**6, "USD")
    with pytest.raises(BudgetError, match="pays in GBP, but the account's limit for a day"):
        ask(scene, run, 1)


def test_a_limit_can_be_changed_and_taken_off(scene):
    run = scene.plan(1)
    limit(scene, Scope.ACCOUNT, 130)
    with transaction() as session:
        account = session.get_one(Requester, scene.account)
        assert account.get_available_budget() == 10
        budget.drop_limit(session, account, Scope.ACCOUNT)
    with transaction() as session:
        assert session.get_one(Requester, scene.account).get_available_budget() is None
    launch(*more(run))
    assert scene.all(SpendLimit) == []


def test_a_refused_bonus_is_tried_again_only_within_the_budget_and_only_once(scene):
    run = scene.live(1, budget_minor=200)
    scene.completed(run)
    first = pay(scene, run, 80)
    scene.put(first, state=State.REJECTED)
    second = pay(scene, run, 60, key="2")
    with transaction() as session, pytest.raises(BudgetError, match=r"GBP 1\.80 of it is committed"):
        retry(session, session.get_one(Operation, first.id))
    scene.put(second, state=State.REJECTED)
    for _ in range(2):
        with transaction() as session:
            again = retry(session, session.get_one(Operation, first.id))
    assert (again.key, len(scene.operations("bonus"))) == ("1~2", 3)
