"""Checks the ledger against the units and bonuses that it is about: an account goes in, what does not agree comes out.

The database writes the ledger by itself and refuses to change it, so whatever is found here was done around that.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Uuid, bindparam, text
from sqlalchemy.orm import Session


class Rule(StrEnum):
    """What must hold; each is the name of its violation."""

    UNSETTLED = "accepted work is not settled"
    UNDECIDED = "pay is settled without a decision"
    TWICE = "settled more than once"
    AMOUNT = "another amount was settled than is owed"
    UNRESERVED = "nothing is reserved for what may be paid"
    LEFT_OPEN = "money is open where nobody will be paid"
    UNCOVERED = "more was settled and released than reserved"
    BONUS_UNSETTLED = "a confirmed bonus is not settled"
    BONUS_UNDECIDED = "a bonus is settled without being confirmed"
    MISPLACED = "a posting belongs to another run or account than what it is about"
    CURRENCY = "a posting is in another currency than its run"
    OVER_BUDGET = "a run is beyond its budget"
    SURPLUS = "a run is beyond its budget because more people worked"


EXPLAINED = frozenset({Rule.SURPLUS})
"""No fault of the ledger: whoever worked is paid."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that does not agree: which rule, the figures, and the row that it is about."""

    name: Rule
    what: str
    where: str
    """Such as ``unit 0190...``."""


_COMMON = """
WITH units AS (
    SELECT u.id, u.agent_id, u.status, held.*,
           u.place IS NOT NULL OR (u.index <= -3 AND u.status <> 'launched') AS offered
    FROM unit u JOIN task_run r ON r.id = u.task_run_id
    LEFT JOIN (
        SELECT unit_id, sum(open_by(kind) * amount_minor) AS amount, sum(open_by(kind) * fee_minor) AS fee
        FROM posting WHERE purpose = 'pay' GROUP BY unit_id
    ) AS held ON held.unit_id = u.id
    WHERE r.requester_id = coalesce(:account, r.requester_id)
), bonuses AS (
    SELECT o.id, o.state, o.amount_minor AS owed, held.*
    FROM operation o LEFT JOIN (
        SELECT operation_id, sum(open_by(kind) * amount_minor) AS amount, sum(open_by(kind) * fee_minor) AS fee
        FROM posting WHERE purpose = 'bonus' GROUP BY operation_id
    ) AS held ON held.operation_id = o.id
    WHERE o.kind = 'bonus' AND o.amount_minor IS NOT NULL AND o.requester_id = coalesce(:account, o.requester_id)
), settled AS (
    SELECT * FROM posting WHERE kind = 'settle' AND requester_id = coalesce(:account, requester_id)
), beyond AS (
    SELECT r.id, r.budget_minor, sum(open_by(p.kind) * (p.amount_minor + p.fee_minor)) AS committed,
           coalesce(sum(open_by(p.kind) * (p.amount_minor + p.fee_minor)) FILTER (WHERE u.index <= -3), 0) AS surplus
    FROM task_run r JOIN posting p ON p.run_id = r.id LEFT JOIN unit u ON u.id = p.unit_id AND p.purpose = 'pay'
    WHERE p.kind <> 'settle' AND r.requester_id = coalesce(:account, r.requester_id)
    GROUP BY r.id HAVING sum(open_by(p.kind) * (p.amount_minor + p.fee_minor)) > r.budget_minor
)
"""
_QUERIES = {
    Rule.UNSETTLED: """
        SELECT 'unit', id, 'is ' || status FROM units
        WHERE status IN ('accepted', 'soft_rejected') AND NOT EXISTS (
            SELECT FROM posting p WHERE p.unit_id = units.id AND p.agent_id IS NOT DISTINCT FROM units.agent_id
              AND p.purpose = 'pay' AND p.kind = 'settle')""",
    Rule.UNDECIDED: """
        SELECT 'unit', u.id, 'is ' || u.status FROM settled p
        JOIN unit u ON u.id = p.unit_id LEFT JOIN agent a ON a.id = p.agent_id
        WHERE p.purpose = 'pay' AND u.status NOT IN ('accepted', 'soft_rejected')
          AND coalesce(a.status, '') NOT IN ('approved', 'soft_rejected')""",
    Rule.TWICE: """
        SELECT 'unit', p.unit_id, count(*) || ' times' FROM settled p LEFT JOIN agent a ON a.id = p.agent_id
        WHERE p.purpose = 'pay' AND a.status IS DISTINCT FROM 'soft_rejected' GROUP BY p.unit_id HAVING count(*) > 1
        UNION ALL SELECT 'agent', agent_id, count(*) || ' times' FROM settled
        WHERE purpose = 'pay' AND agent_id IS NOT NULL GROUP BY agent_id HAVING count(*) > 1
        UNION ALL SELECT 'operation', operation_id, count(*) || ' times' FROM settled WHERE purpose = 'bonus'
        GROUP BY operation_id HAVING count(*) > 1""",
    Rule.AMOUNT: """
        SELECT 'unit', u.id, p.amount_minor || ' for ' || u.pay_minor FROM settled p
        JOIN unit u ON u.id = p.unit_id WHERE p.purpose = 'pay' AND p.amount_minor <> u.pay_minor
        UNION ALL SELECT 'operation', o.id, p.amount_minor || ' for ' || o.amount_minor FROM settled p
        JOIN operation o ON o.id = p.operation_id WHERE p.purpose = 'bonus' AND p.amount_minor <> o.amount_minor""",
    Rule.UNRESERVED: """
        SELECT 'unit', id, 'is ' || status FROM units
        WHERE status IN ('created', 'launched', 'assigned', 'completed') AND offered AND coalesce(amount, 0) <= 0
        UNION ALL SELECT 'operation', id, 'is ' || state FROM bonuses
        WHERE state NOT IN ('confirmed', 'rejected', 'cancelled') AND coalesce(amount, 0) < owed""",
    Rule.LEFT_OPEN: """
        SELECT 'unit', id, 'is ' || status || '; ' || amount || ' and fees of ' || fee || ' are open'
        FROM units WHERE (status IN ('expired', 'rejected', 'accepted', 'soft_rejected') OR NOT offered)
          AND (amount > 0 OR fee > 0)
        UNION ALL SELECT 'operation', id, 'is ' || state || '; ' || amount || ' and fees of ' || fee || ' are open'
        FROM bonuses WHERE state IN ('confirmed', 'rejected', 'cancelled') AND (amount > 0 OR fee > 0)""",
    Rule.UNCOVERED: """
        SELECT 'unit', id, amount || ' and fees of ' || fee || ' are open' FROM units
        WHERE amount < 0 OR fee < 0
        UNION ALL SELECT 'operation', id, amount || ' and fees of ' || fee || ' are open' FROM bonuses
        WHERE amount < 0 OR fee < 0""",
    Rule.BONUS_UNSETTLED: """
        SELECT 'operation', id, 'is confirmed' FROM bonuses WHERE state = 'confirmed' AND NOT EXISTS (
            SELECT FROM posting p WHERE p.operation_id = bonuses.id AND p.purpose = 'bonus' AND p.kind = 'settle')""",
    Rule.BONUS_UNDECIDED: """
        SELECT 'operation', o.id, 'is ' || o.state FROM settled p JOIN operation o ON o.id = p.operation_id
        WHERE p.purpose = 'bonus' AND o.state <> 'confirmed'""",
    Rule.MISPLACED: """
        SELECT 'posting', p.id, 'is about ' || coalesce('unit ' || u.id, 'operation ' || o.id)
        FROM posting p LEFT JOIN unit u ON u.id = p.unit_id AND p.purpose = 'pay'
        LEFT JOIN operation o ON o.id = p.operation_id AND p.purpose = 'bonus'
        LEFT JOIN task_run r ON r.id = coalesce(u.task_run_id, o.run_id)
        WHERE p.requester_id = coalesce(:account, p.requester_id)
          AND (p.run_id, p.requester_id) IS DISTINCT FROM (r.id, coalesce(r.requester_id, o.requester_id))""",
    Rule.CURRENCY: """
        SELECT 'posting', p.id, p.currency || ', and run ' || r.id || ' is in ' || r.currency
        FROM posting p JOIN task_run r ON r.id = p.run_id
        WHERE p.currency <> r.currency AND r.requester_id = coalesce(:account, r.requester_id)""",
    Rule.OVER_BUDGET: """
        SELECT 'run', id, committed || ' is committed of ' || budget_minor
        FROM beyond WHERE committed - surplus > budget_minor""",
    Rule.SURPLUS: """
        SELECT 'run', id, committed || ' is committed of ' || budget_minor || '; surplus work is ' || surplus
        FROM beyond WHERE committed - surplus <= budget_minor""",
}  # fmt: skip


def check(session: Session, account: UUID | None = None) -> Iterator[Violation]:
    """Everything in the ledger of an account, or of all, that does not agree; nothing where all is well.

    Its queries should see the same moment, so let the transaction be REPEATABLE READ where people are at work.
    """
    session.flush()
    for rule, query in _QUERIES.items():
        asked = text(f"{_COMMON}{query} ORDER BY 1, 2").bindparams(bindparam("account", account, type_=Uuid))
        for table, key, what in session.execute(asked):
            yield Violation(rule, what, f"{table} {key}")
