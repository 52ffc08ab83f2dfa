"""Turns that a unit or a bonus seldom takes: the ledger follows each, and two at once are one after the other."""

from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

import pytest
from sqlalchemy import select, text

from models import audit
from models.agent import Agent
from models.operation import State
from models.posting import Entry, Posting, Purpose
from models.session import transaction
from models.task_run import TaskRun
from models.unit import Unit, unit_row
from tests.integration.book import QUOTED, bonus, entries, money, names, put


def whole(run, purpose=Purpose.PAY):
    """Reserved and adjusted is settled, released and open: for amounts and for fees."""
    one = money(run, purpose)
    for sums, left in ((one.amounts, one.open_minor), (one.fees, one.open_fee_minor)):
        assert left >= 0
        gone = sums[Entry.SETTLE] + sums[Entry.RELEASE]
        assert sums[Entry.RESERVE] + sums[Entry.ADJUST] == gone + left
    return one


def test_who_was_one_too_many_and_gives_the_work_back_leaves_no_money_reserved(scene):
    """Nobody is ever offered a surplus unit, so nobody will be paid for one that was given back."""
    run, state = scene.live(1, **QUOTED), scene.simulator.state
    with transaction() as session:
        session.scalars(select(Unit)).one().expire()
    submission = state.take_place(scene.study(run)).id
    scene.reconcile(run)
    (surplus,) = scene.all(Unit, Unit.index < -2)
    assert entries(scene, Posting.unit_id == surplus.id) == {"reserve": 1}
    state.set_status(submission, "TIMED-OUT")
    scene.reconcile(run, full=True)
    assert entries(scene, Posting.unit_id == surplus.id) == {"reserve": 1, "release": 1}
    assert (whole(run).open_minor, names()) == (0, set())
    # And who finishes late all the same is paid.
    state.set_status(submission, "AWAITING REVIEW")
    scene.reconcile(run, full=True)
    scene.approve(run)
    scene.settle()
    assert whole(run).amounts[Entry.SETTLE] == 120
    assert names() == set()


def test_a_surplus_unit_that_was_given_back_before_lets_its_money_go_with_the_upgrade(scene):
    run = scene.live(1, **QUOTED)
    with transaction() as session:
        held = session.get_one(TaskRun, run)
        unit = unit_row(held, session.scalars(select(Unit.assignment_id)).one(), -3) | {"status": "assigned"}
        session.execute(Unit.__table__.insert().values(unit))
    with transaction() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text("UPDATE unit SET status = 'launched' WHERE index = -3"))
    assert names() == {audit.Rule.LEFT_OPEN}
    with transaction() as session:
        session.execute(text(import_module("models.migrations.versions.0004_many_bonuses").GIVEN_BACK))
    assert (whole(run).open_minor, names()) == (120, set())


@pytest.mark.parametrize("first", ["expired", "rejected", "accepted"])
def test_two_that_move_the_same_unit_at_once_post_one_after_the_other(scene, first, eventually):
    run = scene.live(1, **QUOTED)
    scene.completed(run)
    agent = scene.all(Agent)[0].id

    def move(status):
        with transaction() as session:
            session.execute(text("UPDATE agent SET status = 'approved' WHERE id = :agent"), {"agent": agent})
            session.execute(text("UPDATE unit SET status = :status"), {"status": status})

    with ThreadPoolExecutor(1) as pool, transaction() as session:
        session.execute(text("UPDATE unit SET status = :status"), {"status": first})
        second = pool.submit(move, "accepted")
        eventually(lambda: waiting(session))
        session.commit()
        second.result(20)
    assert (
        entries(scene)
        == {"expired": TAKEN_BACK, "rejected": TAKEN_BACK, "accepted": {"reserve": 1, "settle": 1}}[first]
    )
    assert (whole(run).amounts[Entry.SETTLE], whole(run).open_minor, names()) == (120, 0, set())


TAKEN_BACK = {"reserve": 2, "release": 1, "settle": 1}


def waiting(session):
    return session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted"))


def test_an_approval_that_is_seen_and_then_confirmed_is_paid_once(scene):
    run = scene.live(1, **QUOTED)
    (submission,) = scene.completed(run)
    (operation,) = scene.approve(run)
    scene.simulator.state.set_status(submission, "APPROVED")
    scene.reconcile(run, full=True)
    if scene.get(type(operation), operation.id).state is not State.CONFIRMED:
        put(operation, State.CONFIRMED)
    scene.settle()
    assert entries(scene) == {"reserve": 1, "settle": 1}
    assert names() == set()


def test_what_is_undone_was_never_posted(scene):
    run = scene.live(1, **QUOTED)
    before = entries(scene)
    with transaction() as session:
        nested = session.begin_nested()
        session.execute(text("UPDATE unit SET status = 'expired'"))
        nested.rollback()
    with transaction() as session:
        session.execute(text("UPDATE unit SET status = 'accepted'"))
        session.rollback()
    assert (entries(scene), whole(run).open_minor) == (before, 120)


@pytest.mark.parametrize(
    ("way", "left"),
    [
        (["sending", "unknown", "review", "confirmed"], {"reserve": 1, "settle": 1}),
        (["sending", "unknown", "review", "rejected"], {"reserve": 1, "release": 1}),
        (
            ["sending", "submitted", "review", "planned", "sending", "submitted", "confirmed"],
            {"reserve": 1, "settle": 1},
        ),
        (["sending", "unknown", "review", "planned", "cancelled"], {"reserve": 1, "release": 1}),
        (["review", "planned", "review"], {"reserve": 1}),
    ],
)
def test_a_bonus_that_waits_for_a_person_is_settled_or_let_go_once_either_way(scene, way, left):
    run = scene.live(1, **QUOTED)
    scene.completed(run)
    made = bonus(scene, run)
    for state in way:
        lease = "crowdops_now()" if state == "sending" else "NULL"
        with transaction() as session:
            moved = f"UPDATE operation SET state = :state, lease_until = {lease} WHERE id = :id"  # noqa: S608 - ours
            session.execute(text(moved), {"state": state, "id": made.id})
        whole(run, Purpose.BONUS)
    assert entries(scene, Posting.purpose == "bonus") == left
    assert names() == set()


def test_bonuses_that_are_planned_together_each_get_their_own_entry(scene):
    """One statement, of which some are there, some are no bonus and one is over already."""
    run = scene.live(1, **QUOTED)
    scene.completed(run)
    there = bonus(scene, run, key="there")
    with transaction() as session:
        session.execute(text(
            "INSERT INTO operation (id, requester_id, kind, target, key, body, amount_minor, currency, run_id, "
            "agent_id, state) SELECT gen_random_uuid(), requester_id, k, target, key || n, body, amount_minor, "
            "currency, run_id, agent_id, s FROM operation, (VALUES (1, 'bonus', 'planned'), (2, 'bonus', 'planned'), "
            "(3, 'bonus', 'rejected'), (4, 'bonus', 'confirmed'), (5, 'other', 'planned')) AS v (n, k, s) "
            "WHERE operation.id = :id"
        ), {"id": there.id})  # fmt: skip
    assert entries(scene, Posting.purpose == "bonus") == {"reserve": 4, "settle": 1}
    assert whole(run, Purpose.BONUS).open_minor == 150
    assert names() == set()
