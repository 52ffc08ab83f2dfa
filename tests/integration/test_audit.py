"""Nothing in the ledger is taken back, and what was done around it is found and named."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from models import audit
from models.identity import worker_id
from models.operation import State
from models.session import transaction
from models.unit import Unit
from tests.integration.book import bonus, names, put, violations

SETTLE_AGAIN = """
DROP INDEX uq_posting_pay_of_agent;
INSERT INTO posting SELECT (jsonb_populate_record(p, jsonb_build_object('id', gen_random_uuid()))).*
FROM posting p WHERE kind = 'settle' AND purpose = 'pay'
"""


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
        INSERT INTO posting
            (id, requester_id, run_id, unit_id, agent_id, kind, purpose, amount_minor, fee_minor, currency)
        SELECT gen_random_uuid(), requester_id, run_id, unit_id, agent_id, '{kind}', purpose, 120, 0, currency
        FROM posting WHERE kind = 'settle'"""  # noqa: S608 - words of this test
    with pytest.raises((IntegrityError, ProgrammingError), match=rule), transaction() as session:
        session.execute(text(again))


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
