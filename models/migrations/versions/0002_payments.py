"""Payments: what was there before one can be read anew, what does not fit has names, and balances are kept."""

import sqlalchemy as sa
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


FINDINGS = (
    "final_contradicted", "illegal_status", "unknown_word", "surplus", "foreign_payment", "missing_payment",
    "other_amount", "balance", "vanished",
)  # fmt: skip


def upgrade() -> None:
    """Apply."""
    op.execute(GUARD)
    op.drop_constraint(op.f("ck_discrepancy_finding_known"), "discrepancy")
    known = ", ".join(f"'{finding}'" for finding in FINDINGS)
    op.create_check_constraint(op.f("ck_discrepancy_finding_known"), "discrepancy", f"finding IN ({known})")
    op.add_column("agent", sa.Column("audited_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "balance_reading",
        sa.Column("requester_id", sa.Uuid(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("paid_minor", sa.BigInteger(), nullable=False),
        sa.Column("payments", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("crowdops_now()"), nullable=False),
        sa.ForeignKeyConstraint(["requester_id"], ["requester.id"], name=op.f("fk_balance_reading_requester_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_balance_reading")),
        sa.UniqueConstraint("requester_id", name=op.f("uq_balance_reading_requester_id")),
    )
