"""A bonus is paid once, or a person decides: whatever the vendor answers and however often it is asked for."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from models import bonus, clock
from models.agent import Agent
from models.attempt import Attempt
from models.bonus import Bonus
from models.operation import FINAL, Operation, State
from models.plan import ConflictError
from models.session import transaction
from models.settings import settings
from models.status import IllegalMoveError
from tasks import claims, decide, engine
from tasks.decide import Decision
from tests.integration import saved
from tests.integration.scene import BULK

SET_UP, PAY, READ = "POST submissions/bonus-payments/", "POST bulk-bonus-payments/{id}/pay/", "GET submissions/{id}/"
CURRENCY = "GET workspaces/{workspace_id}/balance/"
QUIET = 40
"""Turns after which nothing moves any more but a person."""


@pytest.fixture
def run(scene):
    """A run of three units, handed in and approved."""

    def make():
        made = scene.live(3, quoted_minor=504, quoted_places=3)
        scene.completed(made, 3)
        scene.approve(made)
        scene.settle()
        return made

    return saved.once(scene, "three approved", make)


@pytest.fixture
def pay(run):
    """A function that plans bonuses for the run's agents, one sum each, in the order of their submissions."""

    def plan(*sums, key="1", reason="It was very good."):
        with transaction() as session:
            mine = select(Agent).where(Agent.task_run_id == run).order_by(Agent.submission)
            agents = session.scalars(mine).all()
            return bonus.pay(
                session, [Bonus(agent, sum_, reason, key) for agent, sum_ in zip(agents, sums, strict=False)]
            )

    return plan


def rest(scene):
    """Take turns until all is final, or waits for a person."""
    for _ in range(QUIET):
        if scene.states("bonus") <= FINAL | {State.REVIEW}:
            return
        scene.step(settings().timing.read_every)
    scene.later(settings().timing.pay_settle)
    for _ in range(QUIET):
        scene.turn()
        if scene.states("bonus") <= FINAL | {State.REVIEW}:
            return
        scene.later(settings().timing.back_off_max)
    pytest.fail(f"not at rest: {[(row.state, row.reason) for row in scene.operations('bonus')]}")


def paid(scene):
    """What the vendor paid, by submission."""
    return sorted((effect.submission, effect.amount_minor) for effect in scene.effects("bonus"))


def planned(scene):
    return sorted((row.target, row.amount_minor) for row in scene.operations("bonus"))


def test_bonuses_of_a_run_are_set_up_and_paid_with_one_call_each(scene, pay):
    pay(50, 75, 100)
    rest(scene)
    assert scene.states("bonus") == {State.CONFIRMED}
    assert paid(scene) == planned(scene)
    assert (scene.calls(SET_UP), scene.calls(PAY)) == (1, 1)


def test_the_same_again_is_the_same_bonus(scene, pay):
    first = pay(50)
    rest(scene)
    assert [row.id for row in pay(50)] == [row.id for row in first]
    rest(scene)
    assert len(paid(scene)) == 1


def test_the_same_key_with_another_sum_is_a_conflict_that_shows_both(pay):
    pay(50)
    with pytest.raises(ConflictError, match=r"with \(50, 'GBP'.*now asked for with \(60, 'GBP'"):
        pay(60)


def test_equal_bonuses_in_a_row_are_told_apart_by_their_keys(scene, pay):
    for key in ("1", "2", "3"):
        pay(50, key=key)
    rest(scene)
    assert scene.states("bonus") == {State.CONFIRMED}
    assert paid(scene) == planned(scene)
    assert len(paid(scene)) == 3
    # One after the other, each compared with what the one before had left.
    kept = [
        row.baseline["bonus_payments"] for row in sorted(scene.operations("bonus"), key=lambda row: row.last_sent_at)
    ]
    assert kept == [[], [50], [50, 50]]


def test_a_second_one_is_not_sent_while_the_first_is_in_doubt(scene, pay):
    scene.fault(PAY, "drop_after")
    scene.send(*pay(50))
    assert scene.send(*pay(50, key="2")) == []
    rest(scene)
    assert len(paid(scene)) == 2


@pytest.mark.parametrize("fault", ["429", "500_before", "500_after", "drop_before", "drop_after"])
@pytest.mark.parametrize("endpoint", [CURRENCY, SET_UP, READ])
def test_what_goes_wrong_around_the_payment_delays_it(scene, pay, endpoint, fault):
    operations = pay(50, 75)
    scene.fault(endpoint, fault)
    scene.send(*operations)
    rest(scene)
    assert scene.states("bonus") == {State.CONFIRMED}
    assert paid(scene) == planned(scene)
    assert scene.calls(PAY) == 1 + (endpoint == READ)


@pytest.mark.parametrize("fault", ["500_after", "drop_after"])
def test_a_payment_whose_answer_is_lost_is_found_and_never_sent_again(scene, pay, fault):
    operations = pay(50, 75)
    scene.fault(PAY, fault)
    scene.send(*operations)
    assert scene.states("bonus") == {State.UNKNOWN}
    rest(scene)
    assert scene.states("bonus") == {State.CONFIRMED}
    assert paid(scene) == planned(scene)
    assert scene.calls(PAY) == 1


@pytest.mark.parametrize("fault", ["429", "500_before", "drop_before"])
def test_a_payment_that_never_shows_goes_to_a_person_and_is_sent_again_only_as_they_say(scene, pay, fault):
    (operation,) = pay(50)
    scene.fault(PAY, fault)
    scene.send(operation)
    rest(scene)
    assert scene.only("bonus").state is State.REVIEW
    assert (paid(scene), scene.calls(PAY)) == ([], 1)
    with transaction() as session:
        decide.resolve(session, operation.id, Decision.RETRY, who="somebody", note="not in the vendor's list")
    rest(scene)
    assert scene.only("bonus").state is State.CONFIRMED
    assert paid(scene) == planned(scene)


@pytest.mark.parametrize("fault", ["hang_before", "hang_after"])
def test_an_answer_that_never_comes_leaves_a_payment_in_doubt(scene, pay, fault, timing):
    (operation,) = pay(50)
    timing(http_deadline=0.3)
    scene.fault(PAY, fault)
    scene.send(operation)
    assert scene.only("bonus").state is State.UNKNOWN
    rest(scene)
    assert (scene.only("bonus").state, len(paid(scene))) == {
        "hang_before": (State.REVIEW, 0),
        "hang_after": (State.CONFIRMED, 1),
    }[fault]


def test_a_read_that_fails_keeps_only_its_own_bonus_back(scene, pay):
    operations = pay(50, 75, 100)
    scene.fault(READ, "500_before")
    scene.send(*operations)
    assert sorted(row.state for row in scene.operations("bonus")) == [State.PLANNED, State.SUBMITTED, State.SUBMITTED]
    assert [row.baseline for row in scene.operations("bonus") if row.state is State.PLANNED] == [None]
    rest(scene)
    assert paid(scene) == planned(scene)


def test_what_was_there_before_is_read_anew_where_nothing_was_sent(scene, pay):
    (operation,) = pay(50)
    scene.fault(SET_UP, "429")
    scene.send(operation)
    assert (scene.only("bonus").state, scene.only("bonus").baseline) == (State.PLANNED, None)
    scene.simulator.state.pay_bonus(operation.target, 50)
    scene.later(settings().timing.back_off)
    scene.send(scene.only("bonus"))
    assert scene.only("bonus").baseline == {"bonus_payments": [50]}


def test_a_worker_that_dies_before_anything_was_sent_leaves_no_doubt(scene, pay):
    (held,) = claims.claim([row.id for row in pay(50)])
    scene.later(settings().timing.lease + 1)
    scene.turn()
    rest(scene)
    assert scene.only("bonus").state is State.CONFIRMED
    engine.carry_out(held)
    assert len(paid(scene)) == 1


def test_one_that_the_vendor_does_not_know_does_not_keep_the_others_from_their_money(scene, pay, run):
    submissions = scene.simulator.state.submissions
    operations = pay(50, 75, 100)
    gone = submissions.pop(operations[1].target)
    study = scene.simulator.state.study(scene.study(run))
    study.submissions.remove(gone)
    scene.simulator.state.in_order.remove(gone)
    rest(scene)
    states = {row.target: row.state for row in scene.operations("bonus")}
    assert states[gone.id] is not State.CONFIRMED
    assert [states[row.target] for row in operations if row.target != gone.id] == [State.CONFIRMED] * 2
    assert len(paid(scene)) == 2


def test_two_workers_at_once_pay_once(scene, pay):
    ids = [row.id for row in pay(50, 75, 100)]
    with ThreadPoolExecutor(4) as pool:
        made = [claim for found in pool.map(lambda _: claims.claim(ids), range(4)) for claim in found]
    assert len(made) == 1
    engine.carry_out(made[0])
    rest(scene)
    assert paid(scene) == planned(scene)


def test_two_who_ask_at_once_plan_one(scene, pay):
    with ThreadPoolExecutor(4) as pool:
        found = [rows[0].id for rows in pool.map(lambda _: pay(50), range(4))]
    assert len(set(found)) == 1
    rest(scene)
    assert len(paid(scene)) == 1


def test_a_bonus_waits_for_the_approval_of_its_work(scene):
    run = scene.live(1)
    scene.completed(run)
    (approval,) = scene.approve(run)
    with transaction() as session:
        agent = session.scalars(select(Agent)).one()
        operation = agent.worker.bonus_worker(50, "It was very good.", agent)
    assert operation.after_id == approval.id
    assert scene.send(operation) == []
    scene.fault(BULK, "drop_before")
    rest(scene)
    kinds = [row.kind for row in sorted(scene.all(Attempt), key=lambda row: row.created_at)]
    assert kinds.index("approve") < kinds.index("bonus")
    assert len(paid(scene)) == 1


@pytest.mark.parametrize("sum_", [0, -5])
def test_a_sum_that_is_none_is_refused(scene, pay, sum_):
    with pytest.raises(ValueError, match="more than zero"):
        pay(sum_)
    assert scene.operations("bonus") == []


@pytest.mark.parametrize("words", [{"reason": " "}, {"key": ""}, {"key": "a~2"}, {"key": "a\nb"}])
def test_a_bonus_without_a_reason_or_with_a_key_that_is_none_is_refused(scene, pay, words):
    with pytest.raises(ValueError, match=r"reason|key"):
        pay(50, **words)
    assert scene.operations("bonus") == []


def test_who_is_still_at_work_gets_no_bonus_yet(scene):
    run = scene.live(1)
    scene.simulator.state.take_place(scene.study(run))
    scene.reconcile(run)
    with transaction() as session:
        agent = session.scalars(select(Agent)).one()
        with pytest.raises(IllegalMoveError, match="still at work"):
            bonus.pay(session, [Bonus(agent, 50, "early", "1")])


def test_a_bonus_for_somebody_elses_submission_is_refused(run):
    with transaction() as session:
        first, second = session.scalars(select(Agent).where(Agent.task_run_id == run).limit(2))
        with pytest.raises(ValueError, match="another worker"):
            first.worker.bonus_worker(50, "good", second)


def test_a_refused_bonus_can_be_tried_again_although_its_work_was_decided_on(scene, pay):
    (operation,) = pay(50)
    scene.put(operation, state=State.REJECTED, settled_at=clock.now())
    with transaction() as session:
        again = decide.retry(session, operation.id)
    assert again.id != operation.id
    rest(scene)
    assert scene.get(Operation, again.id).state is State.CONFIRMED
    assert len(paid(scene)) == 1
