"""Whatever way a unit goes, the database writes what that means for money, once, and it adds up."""

import random
import time

from sqlalchemy import select, text, update

from models import audit, recruit, review
from models.agent import Agent
from models.identity import worker_id
from models.posting import Entry, Posting
from models.requester import Requester
from models.session import transaction
from models.status import UNIT_MOVES, UnitStatus
from models.task_run import TaskRun
from models.unit import Unit, unit_row
from models.worker import Worker
from tests.integration.book import QUOTED, WORDS, act, decide, entries, money, names, violations


def test_a_launch_reserves_the_pay_and_the_quoted_fees_to_the_last_penny(scene):
    run = scene.plan(3, **QUOTED)
    fees = sorted(row.fee_minor for row in scene.all(Posting))
    assert (fees, sum(fees)) == ([33, 33, 34], 100)
    assert (money(run).amounts[Entry.RESERVE], money(run).open_minor, money(run).open_fee_minor) == (360, 360, 100)
    assert names() == set()


def test_a_run_without_a_quote_counts_no_fees(scene):
    run = scene.plan(2)
    assert (money(run).open_minor, money(run).open_fee_minor) == (240, 0)


def test_an_approval_settles_each_agent_once_and_names_the_operation(scene):
    run = scene.live(3, **QUOTED)
    scene.completed(run, 2)
    assert entries(scene) == {"reserve": 3}
    scene.approve(run)
    scene.settle()
    scene.reconcile(run, full=True)
    settled = scene.all(Posting, Posting.kind == Entry.SETTLE)
    assert {row.agent_id for row in settled} == {agent.id for agent in scene.all(Agent)}
    assert {row.operation_id for row in settled} == {row.id for row in scene.operations("approve")}
    assert (money(run).amounts[Entry.SETTLE], money(run).open_minor) == (240, 120)
    assert money(run).fees[Entry.SETTLE] + money(run).open_fee_minor == 100
    assert names() == set()


def test_an_approval_in_the_vendors_pages_is_settled_without_an_operation(scene):
    run = scene.live(1)
    (submission,) = scene.completed(run)
    scene.simulator.state.set_status(submission, "APPROVED")
    scene.reconcile(run, full=True)
    (settled,) = scene.all(Posting, Posting.kind == Entry.SETTLE)
    assert (settled.operation_id, settled.agent_id) == (None, scene.all(Agent)[0].id)
    assert names() == set()


def test_a_soft_rejection_is_paid(scene):
    run = scene.live(1)
    scene.completed(run)
    decide(run, review.soft_reject)
    scene.settle()
    assert scene.unit_words() == ["soft_rejected"]
    assert entries(scene) == {"reserve": 1, "settle": 1}
    assert names() == set()


def test_work_that_is_returned_leaves_the_money_reserved_for_whoever_comes_next(scene):
    run, state = scene.live(1), scene.simulator.state
    first = state.take_place(scene.study(run)).id
    scene.reconcile(run)
    state.set_status(first, "RETURNED")
    scene.completed(run)
    scene.approve(run)
    scene.settle()
    assert entries(scene) == {"reserve": 1, "settle": 1}
    assert names() == set()


def test_units_that_expire_release_their_money(scene):
    run = scene.live(3, **QUOTED)
    scene.completed(run, 1)
    act(run, recruit.expire)
    scene.settle()
    scene.reconcile(run)
    assert entries(scene) == {"reserve": 3, "release": 2}
    assert (money(run).open_minor, money(run).amounts[Entry.RELEASE]) == (120, 240)
    assert names() == set()


def test_a_run_that_was_never_sent_releases_everything(scene):
    run = scene.plan(3, **QUOTED)
    act(run, recruit.expire)
    assert (money(run).open_minor, money(run).open_fee_minor) == (0, 0)
    assert names() == set()


def test_a_rejection_releases_and_an_overturned_one_is_paid(scene):
    run = scene.live(1, refill=True)
    (submission,) = scene.completed(run)
    decide(run, review.reject, "OTHER", WORDS)
    scene.settle()
    assert entries(scene) == {"reserve": 1, "release": 1}
    scene.simulator.state.set_status(submission, "APPROVED")
    scene.reconcile(run, full=True)
    assert scene.unit_words() == ["accepted"]
    assert entries(scene) == {"reserve": 2, "release": 1, "settle": 1}
    assert names() == set()


def test_whoever_takes_a_rejected_place_has_money_of_their_own(scene):
    run = scene.live(2, refill=True, **QUOTED)
    scene.completed(run)
    decide(run, review.reject, "OTHER", WORDS)
    scene.settle()
    scene.completed(run, 2)
    scene.approve(run)
    scene.settle()
    assert scene.unit_words() == ["accepted", "accepted", "rejected"]
    assert entries(scene) == {"reserve": 3, "release": 1, "settle": 2}
    assert names() == set()


def test_surplus_work_is_reserved_with_its_share_of_the_fees_rounded_up_and_paid(scene):
    run = scene.live(2, **QUOTED)
    with transaction() as session:
        session.query(Unit).order_by(Unit.place.desc()).first().expire()
    scene.completed(run, 2)
    (surplus,) = scene.all(Unit, Unit.index < -2)
    assert [row.fee_minor for row in scene.all(Posting, Posting.unit_id == surplus.id)] == [34]
    scene.approve(run)
    scene.settle()
    assert entries(scene, Posting.unit_id == surplus.id) == {"reserve": 1, "settle": 1}
    assert names() == set()


def test_surplus_work_beyond_the_budget_is_named_as_that(scene):
    run = scene.live(2, budget_minor=240)
    with transaction() as session:
        session.query(Unit).order_by(Unit.place.desc()).first().expire()
    scene.completed(run, 2)
    assert names() == set()
    with transaction() as session:
        held = session.get_one(TaskRun, run)
        assignment = session.scalars(select(Unit.assignment_id)).first()
        session.execute(Unit.__table__.insert().values(unit_row(held, assignment, -4) | {"status": "created"}))
    assert violations() == [(audit.Rule.SURPLUS, f"run {run}")]
    with transaction() as session:
        assert session.get_one(TaskRun, run).get_available_budget() == -120


def test_who_finishes_late_takes_the_money_again(scene):
    run, state = scene.live(1), scene.simulator.state
    late = state.take_place(scene.study(run)).id
    scene.reconcile(run)
    state.set_status(late, "TIMED-OUT")
    scene.reconcile(run)
    act(run, recruit.expire)
    scene.settle()
    scene.reconcile(run)
    assert entries(scene) == {"reserve": 1, "release": 1}
    state.set_status(late, "AWAITING REVIEW")
    scene.reconcile(run, full=True)
    assert entries(scene) == {"reserve": 2, "release": 1}
    scene.approve(run)
    scene.settle()
    assert (money(run).amounts[Entry.SETTLE], money(run).open_minor) == (120, 0)
    assert names() == set()


def test_the_verbs_say_what_was_paid_and_what_is_left(scene):
    run = scene.live(3, budget_minor=1000, **QUOTED)
    scene.completed(run, 1)
    scene.approve(run)
    scene.settle()
    with transaction() as session:
        held, account = session.get_one(TaskRun, run), session.get_one(Requester, scene.account)
        paid = session.scalars(select(Unit).where(Unit.status == UnitStatus.ACCEPTED)).one()
        cost = paid.get_pay_amount()
        assert cost in {153, 154}
        assert held.get_total_spend() == account.get_total_spend() == cost
        assert (held.get_available_budget(), account.get_available_budget()) == (1000 - 460, None)


def test_a_random_walk_through_every_legal_move_always_adds_up(scene):
    """A unit moves as its table says, many times, together with its agent; whatever comes of it, the sums hold."""
    run = scene.plan(30, **QUOTED)
    paid = [UnitStatus.ACCEPTED, UnitStatus.SOFT_REJECTED]
    dice = random.Random(7)
    with transaction() as session:
        session.add(Worker(id=worker_id("prolific", "w"), provider_type="prolific", name="w"))
    for step in range(16):
        with transaction() as session:
            for unit in session.scalars(select(Unit).order_by(Unit.id)):
                options = sorted(UNIT_MOVES[unit.status])
                if not options or dice.random() < 0.2:
                    continue
                before, unit.status = unit.status, dice.choice(options)
                if before in (UnitStatus.SOFT_REJECTED, UnitStatus.LAUNCHED):
                    agent = Agent(
                        requester_id=scene.account, task_run_id=run, unit_id=unit.id, provider_type="prolific",
                        worker_id=worker_id("prolific", "w"), submission=f"{unit.id} {step}",
                    )  # fmt: skip
                    session.add(agent)
                    session.flush()
                    unit.agent_id = agent.id
                if unit.status in paid and unit.agent_id:
                    mine = update(Agent).where(Agent.id == unit.agent_id)
                    status = {"accepted": "approved"}.get(unit.status, str(unit.status))
                    session.execute(mine.values(status=status))
        assert names() - {audit.Rule.OVER_BUDGET} == set(), step
    assert entries(scene)["settle"] > 10
    one = money(run)
    assert one.amounts[Entry.RESERVE] == one.amounts[Entry.SETTLE] + one.amounts[Entry.RELEASE] + one.open_minor


def test_repeating_a_status_posts_nothing(scene):
    run = scene.live(2)
    scene.completed(run, 2)
    scene.approve(run)
    scene.settle()
    before = len(scene.all(Posting))
    with transaction() as session:
        session.execute(text("UPDATE unit SET status = status, facts = '{}'"))
        session.execute(text("SELECT post_units(array_agg(id), crowdops_now()) FROM unit"))
    assert len(scene.all(Posting)) == before


def test_thousands_are_launched_listed_and_paid_without_a_query_for_each(scene):
    """A query for each against all the others would take minutes."""
    run = scene.plan(3000, budget_minor=10**7, quoted_minor=3000 * 160, quoted_places=3000)
    began = time.monotonic()
    with transaction() as session:
        for status in ("launched", "completed", "accepted"):
            session.execute(update(Unit).values(status=status), execution_options={"synchronize_session": False})
    assert time.monotonic() - began < 20
    assert entries(scene) == {"reserve": 3000, "settle": 3000}
    assert (money(run).amounts[Entry.SETTLE], money(run).fees[Entry.SETTLE]) == (360_000, 120_000)
    assert names() == set()
