"""What was there before a send is forgotten with it: when nothing was sent after all, or a person says so."""

from alembic import op

#: The baseline may go when the operation is planned again; it never becomes another.
GUARD = """
CREATE OR REPLACE FUNCTION operation_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.id, OLD.requester_id, OLD.kind, OLD.target, OLD.key, OLD.body, OLD.amount_minor, OLD.currency, OLD.run_id,
        OLD.unit_id, OLD.agent_id, OLD.worker_id, OLD.after_id)
       IS DISTINCT FROM
       (NEW.id, NEW.requester_id, NEW.kind, NEW.target, NEW.key, NEW.body, NEW.amount_minor, NEW.currency, NEW.run_id,
        NEW.unit_id, NEW.agent_id, NEW.worker_id, NEW.after_id) THEN
        RAISE EXCEPTION 'operation % is frozen: its intent cannot be changed', OLD.id;
    END IF;
    IF OLD.state <> NEW.state AND (OLD.state || '>' || NEW.state) <> ALL (ARRAY[
        'planned>cancelled', 'planned>confirmed', 'planned>rejected', 'planned>review', 'planned>sending',
        'sending>confirmed', 'sending>planned', 'sending>rejected', 'sending>submitted', 'sending>unknown',
        'submitted>confirmed', 'submitted>planned', 'submitted>rejected', 'submitted>review',
        'unknown>confirmed', 'unknown>planned', 'unknown>rejected', 'unknown>review', 'review>confirmed',
        'review>planned', 'review>rejected'
    ]) THEN
        RAISE EXCEPTION 'operation % cannot go from % to %', OLD.id, OLD.state, NEW.state;
    END IF;
    IF OLD.baseline IS DISTINCT FROM NEW.baseline AND OLD.baseline IS NOT NULL
       AND NOT (NEW.baseline IS NULL AND NEW.state = 'planned' AND OLD.state IN ('sending', 'review')) THEN
        RAISE EXCEPTION 'operation % is frozen: its baseline is written once', OLD.id;
    END IF;
    NEW.exclusive := NEW.exclusive AND NEW.state IN ('sending', 'submitted', 'unknown', 'review');
    RETURN NEW;
END $$
"""

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.execute(GUARD)
