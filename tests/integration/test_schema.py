"""Rules that matter live in the database itself, and its tables are what the code believes them to be."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import insert, inspect, select, text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from models import migrations
from models.attempt import Attempt
from models.base import Base
from models.operation import MOVES, Operation, State
from models.requester import Requester
from models.session import engine, transaction
from models.unit import Unit

FROZEN = {
    "kind": "reject",
    "target": "another",
    "key": "2",
    "body": {"places": 99},
    "amount_minor": 1,
    "run_id": None,
    "unit_id": None,
    "worker_id": uuid4(),
    "after_id": None,
}


def change(operation, **values):
    """Change a row as somebody would who goes around the models."""
    with transaction() as session:
        session.execute(Operation.__table__.update().where(Operation.id == operation.id).values(**values))


@pytest.mark.parametrize("column", FROZEN)
def test_an_intent_cannot_be_changed(scene, column):
    scene.plan(1)
    values = {column: FROZEN[column]} | ({"currency": "GBP"} if column == "amount_minor" else {})
    with pytest.raises(ProgrammingError, match="is frozen"):
        change(scene.only("launch"), **values)


def test_every_move_of_an_operation_is_allowed_or_refused_as_the_table_says(scene):
    """One row for each state and target; the database is asked about all 64 pairs."""
    scene.plan(1)
    refused = {}
    for old in State:
        for new in State:
            moved = probe(scene.account, old, new)
            if not moved:
                refused.setdefault(old, set()).add(new)
    assert refused == {old: set(State) - targets - {old} for old, targets in MOVES.items()}


def probe(account, old, new):
    """Whether the database lets a new operation in `old` become `new`."""
    leases = {True: text("now()"), False: None}
    with engine().connect() as connection, connection.begin() as undo:
        row = {"id": uuid4(), "requester_id": account, "kind": "probe", "target": f"{old}{new}", "key": "1", "body": {}}
        connection.execute(insert(Operation).values(row | {"state": old, "lease_until": leases[old is State.SENDING]}))
        wanted = Operation.__table__.update().where(Operation.id == row["id"])
        try:
            connection.execute(wanted.values(state=new, lease_until=leases[new is State.SENDING]))
        except ProgrammingError as error:
            assert "cannot go from" in str(error)  # noqa: PT017 - the refusal is one of two answers
            return False
        finally:
            undo.rollback()
    return True


def test_a_lease_and_sending_go_together(scene):
    scene.plan(1)
    with pytest.raises(IntegrityError, match="lease_while_sending"):
        change(scene.only("draft"), state="sending")
    with pytest.raises(IntegrityError, match="lease_while_sending"):
        change(scene.only("draft"), lease_until=text("now()"))


def test_a_lane_has_one_open_attempt(scene):
    row = {"requester_id": scene.account, "kind": "approve", "operation_ids": [], "lane": "wallet"}
    with transaction() as session:
        session.execute(insert(Attempt).values(row | {"id": uuid4()}))
    with pytest.raises(IntegrityError, match="uq_attempt_open_lane"), transaction() as session:
        session.execute(insert(Attempt).values(row | {"id": uuid4()}))
    with transaction() as session:
        session.execute(Attempt.__table__.update().values(closed_at=text("now()")))
        session.execute(insert(Attempt).values(row | {"id": uuid4()}))


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("UPDATE unit SET pay_minor = 0", "pay_positive"),
        ("UPDATE task_run SET budget_minor = -1", "budget_not_negative"),
        ("UPDATE requester SET rate = 0", "rate_positive"),
        ("UPDATE unit SET status = 'lost'", "unitstatus_known"),
        ("UPDATE unit SET agent_id = gen_random_uuid()", "fk_unit_agent_id"),
        ("DELETE FROM requester", "fk_(task_run|operation|worker_group)_requester_id"),
    ],
)
def test_a_row_that_makes_no_sense_is_refused(scene, statement, rule):
    scene.plan(1)
    with pytest.raises(IntegrityError, match=rule), transaction() as session:
        session.execute(text(statement))


def test_rows_of_a_provider_that_is_not_installed_load_as_the_plain_class(scene):
    run = scene.plan(1)
    assert type(scene.all(Unit)[0]).__name__ == "ProlificUnit"
    with transaction() as session:
        session.execute(text("UPDATE unit SET provider_type = 'gone'"))
        session.execute(text("UPDATE requester SET provider_type = 'gone'"))
    for table in (Unit, Requester):
        (row,) = scene.all(table)
        assert (type(row), row.provider_type) == (table, "gone")
    assert run == scene.all(Unit)[0].task_run_id


def test_the_migrations_make_the_tables_that_the_code_declares(database_url):
    assert database_url
    with engine().connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []


def test_checks_and_indexes_are_those_that_the_code_declares(database_url):
    """Alembic compares neither check constraints nor the condition of an index."""
    assert database_url
    with engine().connect() as connection:
        seen = inspect(connection)
        for table in Base.metadata.sorted_tables:
            checks = {check.name for check in table.constraints if check.__visit_name__.endswith("check_constraint")}
            assert {check["name"] for check in seen.get_check_constraints(table.name)} == checks, table.name
            indexes = {index.name: index.dialect_options["postgresql"]["where"] is not None for index in table.indexes}
            there = [index for index in seen.get_indexes(table.name) if not index.get("duplicates_constraint")]
            assert {index["name"]: bool(index["dialect_options"].get("postgresql_where")) for index in there} == indexes


def test_upgrading_again_and_by_many_at_once_changes_nothing(scene):
    scene.plan(1)
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(migrations.upgrade) for _ in range(4)]:
            done.result()
    assert len(scene.operations()) == 3


def test_an_empty_database_is_migrated_by_many_at_once(database_url):
    assert database_url
    with engine().connect() as connection, connection.begin():
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(migrations.upgrade) for _ in range(4)]:
            done.result()
    with transaction() as session:
        assert session.scalars(select(Operation)).all() == []
        assert session.execute(text("SELECT count(*) FROM clock")).scalar_one() == 1
