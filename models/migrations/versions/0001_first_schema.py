"""The first schema: the domain, operations with their attempts, and the rules that the database itself keeps."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

#: The project's time: the database's own, plus an offset that is zero in production.
NOW = """
CREATE FUNCTION crowdops_now() RETURNS timestamptz LANGUAGE plpgsql AS $$
BEGIN
    RETURN clock_timestamp() + coalesce((SELECT ahead FROM clock LIMIT 1), interval '0');
END $$
"""
#: An intent is frozen once it is written, and a state changes only along the legal moves: final is final.
GUARD = """
CREATE FUNCTION operation_guard() RETURNS trigger LANGUAGE plpgsql AS $$
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
    IF OLD.baseline IS DISTINCT FROM NEW.baseline AND OLD.baseline IS NOT NULL THEN
        RAISE EXCEPTION 'operation % is frozen: its baseline is written once', OLD.id;
    END IF;
    NEW.exclusive := NEW.exclusive AND NEW.state IN ('sending', 'submitted', 'unknown', 'review');
    RETURN NEW;
END $$
"""
TRIGGER = """
CREATE TRIGGER operation_guard BEFORE UPDATE ON operation FOR EACH ROW EXECUTE FUNCTION operation_guard()
"""
#: When an agent's status changed last, whoever changed it.
MOVED = """
CREATE FUNCTION agent_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.moved_at := crowdops_now();
    RETURN NEW;
END $$;
CREATE TRIGGER agent_moved BEFORE UPDATE ON agent FOR EACH ROW WHEN (OLD.status <> NEW.status)
EXECUTE FUNCTION agent_moved()
"""

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.execute(NOW)
    op.create_table(
        "clock",
        sa.Column("ahead", sa.Interval(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("crowdops_now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clock")),
    )
    op.create_table(
        "project",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("crowdops_now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project")),
        sa.UniqueConstraint("name", name=op.f("uq_project_name")),
    )
    op.create_table(
        "requester",
        sa.Column("provider_type", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("credential", sa.String(), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("paused_reason", sa.String(), nullable=True),
        sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reconcile_by", sa.Uuid(), nullable=True),
        sa.Column("reconcile_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rate", sa.Double(), nullable=False),
        sa.Column("tokens", sa.Double(), server_default="1", nullable=False),
        sa.Column("tokens_at", sa.DateTime(timezone=True), server_default=sa.text("crowdops_now()"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("crowdops_now()"), nullable=False),
        sa.CheckConstraint("rate > 0", name=op.f("ck_requester_rate_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_requester")),
        sa.UniqueConstraint("provider_type", "name", name=op.f("uq_requester_provider_type_name")),
    )
    op.create_table(
        "tick",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("slot", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("crowdops_now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tick")),
        sa.UniqueConstraint("name", "slot", name=op.f("uq_tick_name_slot")),
    )
    op.create_table(
        "worker",
        sa.Column("provider_type", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("crowdops_now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worker")),
        sa.UniqueConstraint("provider_type", "name", name=op.f("uq_worker_provider_type_name")),
    )
    op.create_table(
        "attempt",
        sa.Column("requester_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("operation_ids", postgresql.ARRAY(sa.UUID()), nullable=False),
        sa.Column("lane", sa.String(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "outcome",
            sa.Enum(
                "done",
                "accepted",
                "not_sent",
                "throttled",
                "account",
                "rejected",
                "unknown",
                "mixed",
                "lost",
                name="attemptoutcome_known",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column("detail", sa.String(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("crowdops_now()"), nullable=False),
        sa.ForeignKeyConstraint(["requester_id"], ["requester.id"], name=op.f("fk_attempt_requester_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempt")),
    )
    op.create_index("ix_attempt_operation_ids", "attempt", ["operation_ids"], unique=False, postgresql_using="gin")
    op.create_index(
        "uq_attempt_open_lane", "attempt", ["lane"], unique=True, postgresql_where=sa.text("closed_at IS NULL")
    )
    op.create_table(
        "discrepancy",
        sa.Column("requester_id", sa.Uuid(), nullable=False),
        sa.Column(
            "finding",
            sa.Enum(
                "final_contradicted",
                "illegal_status",
                "unknown_word",
                "surplus",
                "vanished",
                name="finding_known",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_by", sa.String(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("crowdops_now()"), nullable=False),
        sa.ForeignKeyConstraint(["requester_id"], ["requester.id"], name=op.f("fk_discrepancy_requester_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_discrepancy")),
        sa.UniqueConstraint("finding", "subject", "detail", name=op.f("uq_discrepancy_finding_subject_detail")),
    )
    op.create_table(
        "qualification",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("crowdops_now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_qualification")),
        sa.UniqueConstraint("name", name=op.f("uq_qualification_name")),
    )
    op.create_table(
        "worker_group",
        sa.Column("requester_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("vendor_id", sa.String(), nullable=True),
        sa.Column("qualification_id", sa.Uuid(), nullable=True),
        sa.Column("requirement", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("crowdops_now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["qualification_id"], ["qualification.id"], name=op.f("fk_worker_group_qualification_id")
        ),
        sa.ForeignKeyConstraint(["requester_id"], ["requester.id"], name=op.f("fk_worker_group_requester_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worker_group")),
        sa.UniqueConstraint("requester_id", "name", name=op.f("uq_worker_group_requester_id_name")),
    )
    op.create_index(op.f("ix_worker_group_qualification_id"), "worker_group", ["qualification_id"], unique=False)
    op.create_table(
        "granted_qualification",
        sa.Column("worker_id", sa.Uuid(), nullable=False),
        sa.Column("qualification_id", sa.Uuid(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("crowdops_now()"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("crowdops_now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["qualification_id"], ["qualification.id"], name=op.f("fk_granted_qualification_qualification_id")
        ),
        sa.ForeignKeyConstraint(["worker_id"], ["worker.id"], name=op.f("fk_granted_qualification_worker_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_granted_qualification")),
        sa.UniqueConstraint(
            "worker_id", "qualification_id", name=op.f("uq_granted_qualification_worker_id_qualification_id")
        ),
    )
    op.create_index(
        op.f("ix_granted_qualification_qualification_id"), "granted_qualification", ["qualification_id"], unique=False
    )
    op.create_table(
        "task",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("crowdops_now()"), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_task_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task")),
        sa.UniqueConstraint("project_id", "name", name=op.f("uq_task_project_id_name")),
    )
    op.create_table(
        "task_run",
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("requester_id", sa.Uuid(), nullable=False),
        sa.Column("provider_type", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("task_url", sa.String(), nullable=False),
        sa.Column("args", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("content_hash", sa.String(), nullable=False),
        sa.Column("pay_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("budget_minor", sa.BigInteger(), nullable=False),
        sa.Column("sandbox", sa.Boolean(), nullable=False),
        sa.Column("places", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("page_key", sa.String(), nullable=False),
        sa.Column("refill", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("is_expired", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("seen", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("is_completed", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("crowdops_now()"), nullable=False),
        sa.CheckConstraint("budget_minor >= 0", name=op.f("ck_task_run_budget_not_negative")),
        sa.CheckConstraint("pay_minor > 0", name=op.f("ck_task_run_pay_positive")),
        sa.ForeignKeyConstraint(["requester_id"], ["requester.id"], name=op.f("fk_task_run_requester_id")),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name=op.f("fk_task_run_task_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_run")),
        sa.UniqueConstraint("page_key", name=op.f("uq_task_run_page_key")),
        sa.UniqueConstraint("requester_id", "name", name=op.f("uq_task_run_requester_id_name")),
    )
    op.create_table(
        "assignment",
        sa.Column("task_run_id", sa.Uuid(), nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("crowdops_now()"), nullable=False),
        sa.ForeignKeyConstraint(["task_run_id"], ["task_run.id"], name=op.f("fk_assignment_task_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignment")),
        sa.UniqueConstraint("task_run_id", "index", name=op.f("uq_assignment_task_run_id_index")),
    )
    op.create_table(
        "unit",
        sa.Column("assignment_id", sa.Uuid(), nullable=False),
        sa.Column("task_run_id", sa.Uuid(), nullable=False),
        sa.Column("provider_type", sa.String(), nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.Column("pay_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=True),
        sa.Column(
            "status",
            sa.Enum(
                "created",
                "launched",
                "assigned",
                "completed",
                "accepted",
                "rejected",
                "soft_rejected",
                "expired",
                name="unitstatus_known",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("crowdops_now()"), nullable=False),
        sa.CheckConstraint("pay_minor > 0", name=op.f("ck_unit_pay_positive")),
        sa.ForeignKeyConstraint(["assignment_id"], ["assignment.id"], name=op.f("fk_unit_assignment_id")),
        sa.ForeignKeyConstraint(["task_run_id"], ["task_run.id"], name=op.f("fk_unit_task_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unit")),
        sa.UniqueConstraint("assignment_id", "index", name=op.f("uq_unit_assignment_id_index")),
    )
    op.create_index(op.f("ix_unit_task_run_id_status"), "unit", ["task_run_id", "status"], unique=False)
    op.create_index(
        "uq_unit_agent_id", "unit", ["agent_id"], unique=True, postgresql_where=sa.text("agent_id IS NOT NULL")
    )
    op.create_index(
        "uq_unit_place", "unit", ["task_run_id", "place"], unique=True, postgresql_where=sa.text("place IS NOT NULL")
    )
    op.create_table(
        "agent",
        sa.Column("requester_id", sa.Uuid(), nullable=False),
        sa.Column("task_run_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=True),
        sa.Column("worker_id", sa.Uuid(), nullable=False),
        sa.Column("provider_type", sa.String(), nullable=False),
        sa.Column("submission", sa.String(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "none",
                "accepted",
                "onboarding",
                "waiting",
                "in task",
                "completed",
                "disconnect",
                "timeout",
                "partner disconnect",
                "expired",
                "returned",
                "approved",
                "soft_rejected",
                "rejected",
                name="agentstatus_known",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("moved_at", sa.DateTime(timezone=True), server_default=sa.text("crowdops_now()"), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("crowdops_now()"), nullable=False),
        sa.ForeignKeyConstraint(["requester_id"], ["requester.id"], name=op.f("fk_agent_requester_id")),
        sa.ForeignKeyConstraint(["task_run_id"], ["task_run.id"], name=op.f("fk_agent_task_run_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_agent_unit_id")),
        sa.ForeignKeyConstraint(["worker_id"], ["worker.id"], name=op.f("fk_agent_worker_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent")),
        sa.UniqueConstraint("requester_id", "submission", name=op.f("uq_agent_requester_id_submission")),
    )
    op.create_index(op.f("ix_agent_task_run_id_status"), "agent", ["task_run_id", "status"], unique=False)
    op.create_index(op.f("ix_agent_unit_id"), "agent", ["unit_id"], unique=False)
    op.create_index(op.f("ix_agent_worker_id"), "agent", ["worker_id"], unique=False)
    op.create_table(
        "operation",
        sa.Column("requester_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(), nullable=True),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("unit_id", sa.Uuid(), nullable=True),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("worker_id", sa.Uuid(), nullable=True),
        sa.Column("after_id", sa.Uuid(), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "planned",
                "sending",
                "submitted",
                "unknown",
                "review",
                "confirmed",
                "rejected",
                "cancelled",
                name="state_known",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            server_default="planned",
            nullable=False,
        ),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("attempt_id", sa.Uuid(), nullable=True),
        sa.Column("exclusive", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("baseline", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("alone", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("reads", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_at", sa.DateTime(timezone=True), server_default=sa.text("crowdops_now()"), nullable=False),
        sa.Column("nudged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trying_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hold", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("result", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("crowdops_now()"), nullable=False),
        sa.CheckConstraint(
            "(state = 'sending') = (lease_until IS NOT NULL)", name=op.f("ck_operation_lease_while_sending")
        ),
        sa.CheckConstraint(
            "(amount_minor IS NULL) = (currency IS NULL)", name=op.f("ck_operation_amount_has_currency")
        ),
        sa.ForeignKeyConstraint(["after_id"], ["operation.id"], name=op.f("fk_operation_after_id")),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name=op.f("fk_operation_agent_id")),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempt.id"], name=op.f("fk_operation_attempt_id")),
        sa.ForeignKeyConstraint(["requester_id"], ["requester.id"], name=op.f("fk_operation_requester_id")),
        sa.ForeignKeyConstraint(["run_id"], ["task_run.id"], name=op.f("fk_operation_run_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_operation_unit_id")),
        sa.ForeignKeyConstraint(["worker_id"], ["worker.id"], name=op.f("fk_operation_worker_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operation")),
        sa.UniqueConstraint(
            "requester_id", "kind", "target", "key", name=op.f("uq_operation_requester_id_kind_target_key")
        ),
    )
    op.create_index(op.f("ix_operation_after_id"), "operation", ["after_id"], unique=False)
    op.create_index(op.f("ix_operation_agent_id"), "operation", ["agent_id"], unique=False)
    op.create_index(
        "ix_operation_due",
        "operation",
        ["next_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('planned', 'submitted', 'unknown')"),
    )
    op.create_index(
        "ix_operation_lot",
        "operation",
        ["requester_id", "kind", sa.literal_column("coalesce(run_id, requester_id)"), "next_at", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('planned', 'submitted', 'unknown')"),
    )
    op.create_index(
        "uq_operation_exclusive",
        "operation",
        ["requester_id", "target"],
        unique=True,
        postgresql_where=sa.text("exclusive"),
    )
    op.create_index(
        "ix_operation_lapsed", "operation", ["lease_until"], unique=False, postgresql_where=sa.text("state = 'sending'")
    )
    op.create_index(op.f("ix_operation_run_id_state"), "operation", ["run_id", "state"], unique=False)
    op.create_index(op.f("ix_operation_unit_id"), "operation", ["unit_id"], unique=False)
    op.create_index(op.f("ix_operation_worker_id"), "operation", ["worker_id"], unique=False)
    op.create_foreign_key("fk_unit_agent_id", "unit", "agent", ["agent_id"], ["id"])
    op.execute("INSERT INTO clock (id, ahead) VALUES (gen_random_uuid(), interval '0')")
    op.execute(GUARD)
    op.execute(TRIGGER)
    op.execute(MOVED)
