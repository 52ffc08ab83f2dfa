"""Many bonuses at once: their work is found by its submissions, and they are reserved with one statement."""

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

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_index(op.f("ix_agent_submission"), "agent", ["submission"])
    op.execute(MADE)
