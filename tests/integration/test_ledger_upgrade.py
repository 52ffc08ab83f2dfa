"""A database from before the ledger gets it with what was there."""

from alembic import command
from sqlalchemy import text

from models import audit, migrations
from models.session import engine, transaction

BEFORE = """
DROP TABLE posting, spend_limit;
DROP FUNCTION post_units, unit_posted, post_bonuses, bonus_posted, bonuses_posted, posting_frozen, posting_covered,
    open_by, fee_of_all, fee_of_place, fee_of_surplus, fee_of_bonus CASCADE;
ALTER TABLE task_run DROP COLUMN quoted_minor, DROP COLUMN quoted_places;
DROP INDEX ix_agent_submission;
UPDATE alembic_version SET version_num = '0002';
"""


def test_what_was_there_is_reserved_and_settled_from_when_it_was_made(scene):
    run = scene.live(4)
    scene.completed(run, 2)
    with transaction() as session:
        session.execute(text(BEFORE))
        session.execute(text("UPDATE unit SET created_at = created_at - interval '3 days'"))
        session.execute(text(
            "UPDATE unit SET status = 'accepted' WHERE place = (SELECT min(place) FROM unit WHERE status = 'completed')"
        ))  # fmt: skip
        session.execute(text("UPDATE unit SET status = 'expired' WHERE status = 'launched' AND place = 4"))
        session.execute(text(
            "INSERT INTO operation (id, requester_id, kind, target, key, body, amount_minor, currency, run_id, state) "
            "SELECT gen_random_uuid(), requester_id, 'bonus', 's', k, '{}', 50, 'GBP', id, s FROM task_run, "
            "(VALUES ('1', 'confirmed'), ('2', 'planned'), ('3', 'rejected')) AS bonus (k, s)"
        ))  # fmt: skip
    with engine().connect() as connection, connection.begin():
        made = migrations.config()
        made.attributes["connection"] = connection
        command.upgrade(made, "head")
    with transaction() as session:
        found = session.execute(text(
            "SELECT purpose || ' ' || kind, count(*) FROM posting GROUP BY 1 ORDER BY 1"
        )).all()  # fmt: skip
        assert dict(map(tuple, found)) == {
            "bonus reserve": 2, "bonus settle": 1, "pay reserve": 3, "pay settle": 1,
        }  # fmt: skip
        same = "SELECT count(*) FROM posting p JOIN unit u ON u.id = p.unit_id WHERE p.created_at <> u.created_at"
        assert session.execute(text(same)).scalar_one() == 0
        assert list(audit.check(session)) == []
