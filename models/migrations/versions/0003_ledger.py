"""The ledger: what is reserved for each unit and bonus, paid or let go, written by the database itself; and limits."""

import sqlalchemy as sa
from alembic import op

#: Fees come from what the vendor quoted for a number of places; without a quote they are 0. Numeric throughout: exact.
FEES = """
-- What the vendor takes on top of the pay of all the places that it quoted.
CREATE FUNCTION fee_of_all(quoted bigint, places bigint, pay bigint) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT greatest(quoted::numeric - places::numeric * pay, 0)
$$;
-- Of the place with this number: cut so that the fees of places 1 to N sum to the whole exactly.
CREATE FUNCTION fee_of_place(quoted bigint, places bigint, pay bigint, place bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(div(place * fee_of_all(quoted, places, pay), places)
                    - div((place - 1) * fee_of_all(quoted, places, pay), places), 0)::bigint
$$;
-- Of a unit that has no place: a place's share, rounded up.
CREATE FUNCTION fee_of_surplus(quoted bigint, places bigint, pay bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(div(fee_of_all(quoted, places, pay) + places - 1, places), 0)::bigint
$$;
-- Of a bonus: in proportion to its amount as the fees of pay are, rounded up.
CREATE FUNCTION fee_of_bonus(quoted bigint, places bigint, pay bigint, amount bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(div(amount * fee_of_all(quoted, places, pay) + places::numeric * pay - 1,
                        places::numeric * pay), 0)::bigint
$$;
"""
#: What a posting adds to what is open of its unit or bonus, or takes off it.
OPEN = """
CREATE FUNCTION open_by(kind text) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN kind IN ('reserve', 'adjust') THEN 1 ELSE -1 END
$$
"""
#: What the ledger lacks for units, by where they stand now; so repeating it adds nothing.
UNITS = """
CREATE FUNCTION post_units(ids uuid[], moment timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO posting (id, created_at, requester_id, run_id, unit_id, agent_id, operation_id, kind, purpose,
                         amount_minor, fee_minor, currency)
    WITH found AS (
        SELECT u.id, u.agent_id, u.pay_minor, u.currency, u.status, u.task_run_id, r.requester_id,
               coalesce(moment, u.created_at) AS made, held.amount, held.fee, held.settled,
               u.status IN ('accepted', 'soft_rejected') AS decided,
               u.status NOT IN ('accepted', 'soft_rejected', 'rejected', 'expired')
                   AND (u.place IS NOT NULL OR u.index <= -3) AS offered,
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
        ('release', status IN ('rejected', 'expired') AND amount > 0)
    ) AS step (kind, wanted) WHERE wanted;
END $$;
CREATE FUNCTION unit_posted() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[] := (SELECT array_agg(id) FROM changed WHERE place IS NOT NULL OR index <= -3
                   OR status IN ('accepted', 'soft_rejected'));
BEGIN
    IF ids IS NOT NULL THEN
        PERFORM post_units(ids, crowdops_now());
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER unit_posted_made AFTER INSERT ON unit REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION unit_posted();
CREATE TRIGGER unit_posted_moved AFTER UPDATE ON unit REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION unit_posted();
"""
#: The same for bonuses. A fee that the vendor named replaces the estimate, with an adjustment of the difference.
BONUSES = """
CREATE FUNCTION post_bonuses(ids uuid[], moment timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    foreign_one record;
BEGIN
    SELECT o.id, o.currency, r.currency AS theirs INTO foreign_one
    FROM operation o JOIN task_run r ON r.id = o.run_id WHERE o.id = ANY (ids) AND o.currency <> r.currency LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'operation % pays a bonus in %, but its run is in %', foreign_one.id, foreign_one.currency,
            foreign_one.theirs;
    END IF;
    INSERT INTO posting (id, created_at, requester_id, run_id, unit_id, agent_id, operation_id, kind, purpose,
                         amount_minor, fee_minor, currency)
    WITH found AS (
        SELECT o.id, o.requester_id, o.run_id, o.unit_id, o.agent_id, o.amount_minor, o.currency, o.state,
               coalesce(moment, o.created_at) AS made, held.known, held.closed,
               coalesce(held.fee, fee_of_bonus(r.quoted_minor, r.quoted_places, r.pay_minor, o.amount_minor)) AS fee,
               CASE WHEN o.result->>'fee_minor' ~ '^[0-9]{1,15}$' THEN (o.result->>'fee_minor')::bigint END AS named
        FROM operation o LEFT JOIN task_run r ON r.id = o.run_id
        CROSS JOIN LATERAL (
            SELECT sum(open_by(kind) * fee_minor)::bigint AS fee,
                   count(*) > 0 AS known, coalesce(bool_or(kind IN ('settle', 'release')), false) AS closed
            FROM posting WHERE operation_id = o.id AND purpose = 'bonus'
        ) AS held
        WHERE o.id = ANY (ids) AND o.kind = 'bonus' AND o.amount_minor IS NOT NULL
    )
    SELECT gen_random_uuid(), made, requester_id, run_id, unit_id, agent_id, found.id, step.kind, 'bonus',
           step.amount, step.fee, currency
    FROM found CROSS JOIN LATERAL (VALUES
        ('reserve', NOT known AND state NOT IN ('rejected', 'cancelled'), amount_minor, found.fee),
        ('adjust', state = 'confirmed' AND NOT closed AND named <> found.fee, 0, named - found.fee),
        ('settle', state = 'confirmed' AND NOT closed, amount_minor, coalesce(named, found.fee)),
        ('release', state IN ('rejected', 'cancelled') AND known AND NOT closed, amount_minor, found.fee)
    ) AS step (kind, wanted, amount, fee) WHERE step.wanted;
END $$;
CREATE FUNCTION bonus_posted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM post_bonuses(ARRAY[NEW.id], crowdops_now());
    RETURN NULL;
END $$;
CREATE TRIGGER bonus_posted_made AFTER INSERT ON operation FOR EACH ROW WHEN (NEW.kind = 'bonus')
EXECUTE FUNCTION bonus_posted();
CREATE TRIGGER bonus_posted_moved AFTER UPDATE ON operation FOR EACH ROW
WHEN (NEW.kind = 'bonus' AND OLD.state <> NEW.state) EXECUTE FUNCTION bonus_posted();
"""
#: Nothing is ever taken back or changed, and nothing is paid or let go that was not reserved.
GUARDS = """
CREATE FUNCTION posting_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'postings are only ever added: % is refused', TG_OP;
END $$;
CREATE TRIGGER posting_frozen BEFORE UPDATE OR DELETE OR TRUNCATE ON posting
FOR EACH STATEMENT EXECUTE FUNCTION posting_frozen();
CREATE FUNCTION posting_covered() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM added a CROSS JOIN LATERAL (
            SELECT sum(open_by(kind) * amount_minor) AS amount, sum(open_by(kind) * fee_minor) AS fee
            FROM posting p WHERE a.purpose = 'pay' AND p.purpose = 'pay' AND p.unit_id = a.unit_id
            UNION ALL
            SELECT sum(open_by(kind) * amount_minor), sum(open_by(kind) * fee_minor)
            FROM posting p WHERE a.purpose = 'bonus' AND p.purpose = 'bonus' AND p.operation_id = a.operation_id
        ) AS held WHERE a.kind <> 'reserve' AND (held.amount < 0 OR held.fee < 0)
    ) THEN
        RAISE EXCEPTION 'more would be paid or let go than was reserved';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER posting_covered AFTER INSERT ON posting REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION posting_covered();
"""
#: What is there already has its place in the ledger from the moment at which it was made.
BACKFILL = """
SELECT post_units(array_agg(id), NULL) FROM unit
WHERE place IS NOT NULL OR index <= -3 OR status IN ('accepted', 'soft_rejected');
SELECT post_bonuses(array_agg(id), NULL) FROM operation WHERE kind = 'bonus';
"""

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("task_run", sa.Column("quoted_minor", sa.BigInteger(), nullable=True))
    op.add_column("task_run", sa.Column("quoted_places", sa.BigInteger(), nullable=True))
    quoted = "(quoted_minor IS NULL) = (quoted_places IS NULL) AND quoted_minor >= 0 AND quoted_places > 0"
    op.create_check_constraint(op.f("ck_task_run_quote_whole"), "task_run", quoted)
    _postings()
    _limits()
    for statements in (FEES, OPEN, UNITS, BONUSES, GUARDS, BACKFILL):
        op.execute(statements)


def _postings() -> None:
    op.create_table(
        "posting",
        sa.Column("requester_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("unit_id", sa.Uuid(), nullable=True),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("operation_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        *_key("posting"),
        sa.CheckConstraint("kind IN ('reserve', 'settle', 'release', 'adjust')", name=op.f("ck_posting_entry_known")),
        sa.CheckConstraint("purpose IN ('pay', 'bonus')", name=op.f("ck_posting_purpose_known")),
        sa.CheckConstraint(
            "CASE purpose WHEN 'pay' THEN unit_id IS NOT NULL ELSE operation_id IS NOT NULL END",
            name=op.f("ck_posting_has_subject"),
        ),
        sa.CheckConstraint(
            "kind = 'adjust' OR (amount_minor >= 0 AND fee_minor >= 0)", name=op.f("ck_posting_not_negative")
        ),
        *_keys("posting", requester="requester", run="task_run", unit="unit", agent="agent", operation="operation"),
    )
    for name, columns, where in (
        ("ix_posting_requester_id", ["requester_id", "created_at"], None),
        ("ix_posting_run_id", ["run_id"], None),
        ("ix_posting_unit_id", ["unit_id"], None),
        ("ix_posting_agent_id", ["agent_id"], None),
        ("ix_posting_operation_id", ["operation_id"], None),
        ("uq_posting_pay_of_agent", ["agent_id"], "kind = 'settle' AND purpose = 'pay'"),
        ("uq_posting_pay_of_nobody", ["unit_id"], "kind = 'settle' AND purpose = 'pay' AND agent_id IS NULL"),
        ("uq_posting_bonus_settled", ["operation_id"], "kind = 'settle' AND purpose = 'bonus'"),
        ("uq_posting_bonus_reserved", ["operation_id"], "kind = 'reserve' AND purpose = 'bonus'"),
    ):
        unique = name.startswith("uq_")
        condition = sa.text(where) if where else None
        op.create_index(name, "posting", columns, unique=unique, postgresql_where=condition)


def _limits() -> None:
    op.create_table(
        "spend_limit",
        sa.Column("requester_id", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.String(length=32), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        *_key("spend_limit"),
        sa.CheckConstraint(
            "scope IN ('account', 'run', 'worker', 'day', 'operation')", name=op.f("ck_spend_limit_scope_known")
        ),
        sa.CheckConstraint("amount_minor >= 0", name=op.f("ck_spend_limit_amount_not_negative")),
        *_keys("spend_limit", requester="requester"),
        sa.UniqueConstraint("requester_id", "scope", name=op.f("uq_spend_limit_requester_id_scope")),
    )


def _key(table: str) -> list[sa.schema.SchemaItem]:
    now = sa.text("crowdops_now()")
    return [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    ]


def _keys(table: str, **to: str) -> list[sa.ForeignKeyConstraint]:
    return [
        sa.ForeignKeyConstraint([f"{name}_id"], [f"{there}.id"], name=op.f(f"fk_{table}_{name}_id"))
        for name, there in to.items()
    ]
