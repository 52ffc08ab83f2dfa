"""Whatever way a unit or a bonus goes, the database writes what that means for money, once, and it adds up."""

import random
import time
from collections import Counter

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError, ProgrammingError

from models import audit, ledger, recruit, review
from models.agent import Agent
from models.identity import worker_id
from models.operation import Operation, State
from models.plan import Intent, plan
from models.posting import Entry, Posting, Purpose
from models.requester import Requester
from models.session import transaction
from models.status import UNIT_MOVES, UnitStatus
from models.task_run import TaskRun
from models.unit import Unit, unit_row
from models.worker import Worker

WORDS = "The page shows that nothing was written into any of the fields. " * 3
QUOTED = {"quoted_minor": 3 * 120 + 100, "quoted_places": 3}


SETTLE_AGAIN = """
DROP INDEX uq_posting_pay_of_agent;
INSERT INTO posting SELECT (jsonb_populate_record(p, jsonb_build_object('id', gen_random_uuid()))).*
FROM posting p WHERE kind = 'settle' AND purpose = 'pay'
"""


def violations():
    with transaction() as session:
        return [(one.name, one.where) for one in audit.check(session)]


def names():
    return {name for name, _ in violations()}


def entries(scene, *where):
    """How many postings of each kind there are."""
    return dict(Counter(str(row.kind) for row in scene.all(Posting, *where)))


def money(run, purpose=Purpose.PAY):
    """The sums of a run: amounts, and what is open."""
    with transaction() as session:
        found = {one.purpose: one for one in ledger.summary(session, Posting.run_id == run)}
    return found.get(purpose)


def act(run, verb):
    with transaction() as session:
        return verb(session.get_one(TaskRun, run))


def decide(run, verb, *words):
    """Plan a decision on all the work that is complete."""
    with transaction() as session:
        agents = session.scalars(select(Agent).where(Agent.task_run_id == run, Agent.status == "completed")).all()
        return verb(session.get_one(TaskRun, run), agents, *words)


def bonus(scene, run, amount=50, key="1", **changes):
    """A bonus for the first agent of a run, as its planner writes it."""
    agent = scene.all(Agent, Agent.task_run_id == run)[0]
    fields = {
        "requester_id": scene.account, "kind": "bonus", "target": agent.submission, "key": key, "amount_minor": amount,
        "currency": "GBP", "run_id": run, "agent_id": agent.id, "unit_id": agent.unit_id, "worker_id": agent.worker_id,
    }  # fmt: skip
    with transaction() as session:
        return plan(session, [Intent(**(fields | changes))])[0]


def put(operation, state, result=None):
    with transaction() as session:
        session.execute(update(Operation).where(Operation.id == operation.id).values(state=state, result=result))


# --- the ways of a unit -------------------------------------------------------------------------------------------


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


# --- bonuses ------------------------------------------------------------------------------------------------------


def test_a_bonus_is_reserved_when_planned_and_settled_when_confirmed(scene):
    run = scene.live(3, **QUOTED)
    scene.completed(run)
    paid = bonus(scene, run)
    assert (money(run, Purpose.BONUS).open_minor, money(run, Purpose.BONUS).open_fee_minor) == (50, 14)
    put(paid, State.CONFIRMED, {})
    found = money(run, Purpose.BONUS)
    assert (found.amounts[Entry.SETTLE], found.fees[Entry.SETTLE], found.open_minor) == (50, 14, 0)
    assert names() == set()


@pytest.mark.parametrize("named", [0, 9, 20, "20"])
def test_a_fee_that_the_vendor_names_replaces_the_estimate(scene, named):
    run = scene.live(3, **QUOTED)
    scene.completed(run)
    put(bonus(scene, run), State.CONFIRMED, {"fee_minor": named})
    found = money(run, Purpose.BONUS)
    assert (found.fees[Entry.SETTLE], found.fees[Entry.ADJUST], found.open_fee_minor) == (
        int(named),
        int(named) - 14,
        0,
    )
    assert names() == set()


def test_a_fee_that_is_nonsense_does_not_keep_a_payment_from_being_recorded(scene):
    run = scene.live(3, **QUOTED)
    scene.completed(run)
    put(bonus(scene, run), State.CONFIRMED, {"fee_minor": "about 5"})
    assert money(run, Purpose.BONUS).fees[Entry.SETTLE] == 14


@pytest.mark.parametrize("end", [State.REJECTED, State.CANCELLED])
def test_a_bonus_that_comes_to_nothing_gives_its_money_back(scene, end):
    run = scene.live(3, **QUOTED)
    scene.completed(run)
    put(bonus(scene, run), end)
    assert entries(scene, Posting.purpose == Purpose.BONUS) == {"reserve": 1, "release": 1}
    assert (money(run, Purpose.BONUS).open_minor, money(run, Purpose.BONUS).open_fee_minor) == (0, 0)
    assert names() == set()


def test_the_same_bonus_again_reserves_nothing_more(scene):
    run = scene.live(1)
    scene.completed(run)
    assert bonus(scene, run).id == bonus(scene, run).id
    assert entries(scene, Posting.purpose == Purpose.BONUS) == {"reserve": 1}


def test_a_bonus_in_another_currency_than_its_run_is_refused(scene):
    run = scene.live(1)
    scene.completed(run)
    with pytest.raises(ProgrammingError, match="pays a bonus in USD, but its run is in GBP"):
        bonus(scene, run, currency="USD")


# --- nothing is taken back ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    ["UPDATE posting SET amount_minor = 1", "DELETE FROM posting", "TRUNCATE posting", "TRUNCATE unit CASCADE"],
)
def test_a_posting_is_never_changed_and_never_deleted(scene, statement):
    scene.plan(1)
    with pytest.raises(ProgrammingError, match="only ever added"), transaction() as session:
        session.execute(text(statement))


@pytest.mark.parametrize(("kind", "rule"), [("settle", "uq_posting_pay_of_agent"), ("release", "than was reserved")])
def test_nothing_is_paid_twice_or_let_go_beyond_what_was_reserved(scene, kind, rule):
    run = scene.live(1)
    scene.completed(run)
    scene.approve(run)
    scene.settle()
    again = f"""
        INSERT INTO posting (id, requester_id, run_id, unit_id, agent_id, kind, purpose, amount_minor, fee_minor, currency)
        SELECT gen_random_uuid(), requester_id, run_id, unit_id, agent_id, '{kind}', purpose, 120, 0, currency
        FROM posting WHERE kind = 'settle'"""  # noqa: S608 - words of this test
    with pytest.raises((IntegrityError, ProgrammingError), match=rule), transaction() as session:
        session.execute(text(again))


# --- what the check finds -----------------------------------------------------------------------------------------


def around(statement):
    """Change the database as nobody could while its triggers are there."""
    with transaction() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text(statement))


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE unit SET status = 'accepted'", {audit.Rule.UNSETTLED, audit.Rule.LEFT_OPEN}),
        ("UPDATE unit SET status = 'expired'", {audit.Rule.LEFT_OPEN}),
        ("DELETE FROM posting", {audit.Rule.UNRESERVED}),
        ("UPDATE posting SET kind = 'settle'", {audit.Rule.UNDECIDED, audit.Rule.UNCOVERED, audit.Rule.UNRESERVED}),
        ("UPDATE posting SET currency = 'USD'", {audit.Rule.CURRENCY}),
        ("UPDATE posting SET run_id = NULL", {audit.Rule.MISPLACED}),
        ("UPDATE task_run SET budget_minor = 1", {audit.Rule.OVER_BUDGET}),
    ],
)
def test_what_was_done_around_the_ledger_is_named(scene, statement, found):
    scene.plan(1)
    assert names() == set()
    around(statement)
    assert names() == found


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE unit SET status = 'completed'; UPDATE agent SET status = 'completed'", {"UNDECIDED", "UNRESERVED"}),
        ("UPDATE posting SET amount_minor = 119", {"AMOUNT"}),
        ("DELETE FROM posting WHERE purpose = 'bonus' AND kind = 'settle'", {"BONUS_UNSETTLED", "LEFT_OPEN"}),
        ("UPDATE operation SET state = 'review' WHERE kind = 'bonus'", {"BONUS_UNDECIDED", "UNRESERVED"}),
        (
            SETTLE_AGAIN,
            {"TWICE", "UNCOVERED"},
        ),
    ],
)
def test_what_was_done_around_paid_work_is_named(scene, statement, found):
    run = scene.live(1)
    scene.completed(run)
    scene.approve(run)
    scene.settle()
    put(bonus(scene, run, 120), State.CONFIRMED, {})
    assert names() == set()
    with transaction() as undone:
        undone.execute(text("SET LOCAL session_replication_role = replica"))
        undone.execute(text(statement))
        assert {one.name for one in audit.check(undone)} == {audit.Rule[name] for name in found}
        undone.rollback()


def test_without_the_trigger_the_check_names_the_work_that_was_not_settled(scene):
    run = scene.live(1)
    scene.completed(run)
    with transaction() as session:
        session.execute(text("ALTER TABLE unit DISABLE TRIGGER unit_posted_moved"))
    try:
        scene.approve(run)
        scene.settle()
    finally:
        with transaction() as session:
            session.execute(text("ALTER TABLE unit ENABLE TRIGGER unit_posted_moved"))
    unit = scene.all(Unit)[0].id
    assert violations() == [(audit.Rule.UNSETTLED, f"unit {unit}"), (audit.Rule.LEFT_OPEN, f"unit {unit}")]
    with transaction() as session:
        assert list(audit.check(session, worker_id("prolific", "nobody"))) == []


# --- many at once -------------------------------------------------------------------------------------------------


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
