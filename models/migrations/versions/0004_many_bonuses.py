"""Many bonuses at once are found and reserved with one statement, and surplus work given back lets its money go."""

from alembic import op

MADE = """
DROP TRIGGER bonus_posted_made ON operation;
CREATE FUNCTION bonuses_posted() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[] := (SELECT array_agg(id) FROM added WHERE kind = 'bonus');
BEGIN
    IF ids IS NOT NULL THEN
        PERFORM post_bonuses(ids, crowdops_now());
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER bonus_posted_made AFTER INSERT ON operation REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION bonuses_posted();
"""

#: A surplus unit is one person's: when they give it back nobody is offered it, so that nobody is paid for it.
UNITS = """
CREATE OR REPLACE FUNCTION post_units(ids uuid[], moment timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO posting (id, created_at, requester_id, run_id, unit_id, agent_id, operation_id, kind, purpose,
                         amount_minor, fee_minor, currency)
    WITH found AS (
        SELECT u.id, u.agent_id, u.pay_minor, u.currency, u.status, u.task_run_id, r.requester_id,
               coalesce(moment, u.created_at) AS made, held.amount, held.fee, held.settled,
               u.status IN ('accepted', 'soft_rejected') AS decided,
               u.status NOT IN ('accepted', 'soft_rejected', 'rejected', 'expired')
                   AND (u.place IS NOT NULL OR (u.index <= -3 AND u.status <> 'launched')) AS offered,
               CASE WHEN u.place IS NULL THEN fee_of_surplus(r.quoted_minor, r.quoted_places, r.pay_minor)
                    ELSE fee_of_place(r.quoted_minor, r.quoted_places, r.pay_minor, u.place) END AS estimate
        FROM unit u JOIN task_run r ON r.id = u.task_run_id
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(open_by(kind) * amount_minor), 0) AS amount,
                   coalesce(sum(open_by(kind) * fee_minor), 0) AS fee,
                   coalesce(bool_or(kind = 'settle'), false) AS settled
            FROM posting WHERE unit_id = u.id AND purpose = 'pay'
        ) AS held
        WHERE u.id = ANY (ids)
    ), due AS (
        SELECT found.*, (decided AND (amount > 0 OR NOT settled)) AND NOT EXISTS (
            SELECT FROM posting p WHERE p.agent_id = found.agent_id AND p.kind = 'settle' AND p.purpose = 'pay'
        ) AS pays FROM found
    )
    SELECT gen_random_uuid(), made, requester_id, task_run_id, due.id,
           CASE WHEN kind = 'settle' THEN agent_id END,
           CASE WHEN kind = 'settle' THEN (
               SELECT o.id FROM operation o
               WHERE o.agent_id = due.agent_id AND o.kind = 'approve' AND o.state = 'confirmed' LIMIT 1
           ) END,
           kind, 'pay',
           CASE WHEN amount > 0 THEN amount ELSE pay_minor END,
           CASE WHEN amount > 0 THEN fee ELSE estimate END, currency
    FROM due CROSS JOIN LATERAL (VALUES
        ('reserve', (offered OR pays) AND amount = 0),
        ('settle', pays),
        ('release', NOT offered AND NOT decided AND amount > 0)
    ) AS step (kind, wanted) WHERE wanted;
END $$;
"""
#: Those that were given back before let their money go now.
GIVEN_BACK = """
SELECT post_units(array_agg(id), crowdops_now()) FROM unit WHERE index <= -3 AND place IS NULL AND status = 'launched'
"""

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_index(op.f("ix_agent_submission"), "agent", ["submission"])
    for statements in (MADE, UNITS, GIVEN_BACK):
        op.execute(statements)
