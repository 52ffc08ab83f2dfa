"""Bonuses that are wanted, in a table of the transaction: rows go in as they are read, and whole sets come out.

What is there twice, used otherwise, too early, there already or new is found with one statement each.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import BigInteger, String, Uuid, insert, text
from sqlalchemy import table as named_table
from sqlalchemy.sql import column, select

from models import bulk
from models.budget import Asked
from models.operation import FINAL, State
from models.status import AGENT_LIVE
from models.task_run import TaskRun

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import Row
    from sqlalchemy.orm import Session


class Wanted(NamedTuple):
    """One bonus: the operation that it is, whose work it is for, how much in minor units, why, and under which key."""

    line: int
    id: UUID
    agent_id: UUID
    amount_minor: int
    reason: str
    key: str


_COLUMNS: dict[str, Any] = dict(zip(Wanted._fields, (BigInteger, Uuid, Uuid, BigInteger, String, String), strict=True))
_TABLE = named_table("wanted_bonus", *(column(name, kind) for name, kind in _COLUMNS.items()))
_BEGIN = """
CREATE TEMPORARY TABLE IF NOT EXISTS wanted_bonus (
    line bigint, id uuid, agent_id uuid, amount_minor bigint, reason text, key text
) ON COMMIT DROP
"""
_HOLD = """
SELECT count(*) FROM (
    SELECT a.id FROM agent a WHERE a.id IN (SELECT agent_id FROM wanted_bonus) ORDER BY a.id FOR NO KEY UPDATE
) AS held
"""
_RUNS = """
SELECT r.id FROM task_run r
WHERE r.id IN (SELECT a.task_run_id FROM wanted_bonus w JOIN agent a ON a.id = w.agent_id)
ORDER BY r.id FOR NO KEY UPDATE
"""
_TWICE = """
SELECT line, first FROM (
    SELECT line, min(line) OVER (PARTITION BY agent_id, key) AS first FROM wanted_bonus
) AS w WHERE line <> first ORDER BY line
"""
_EARLY = """
SELECT w.line, a.id, a.status FROM wanted_bonus w JOIN agent a ON a.id = w.agent_id
WHERE a.status = ANY (:live) ORDER BY w.line
"""
_OTHERWISE = """
SELECT w.line, w.key, a.submission, o.id, o.state, o.amount_minor, o.currency, o.body->>'reason' AS reason,
       w.amount_minor AS now_minor, r.currency AS now_currency, w.reason AS now_reason
FROM wanted_bonus w JOIN agent a ON a.id = w.agent_id JOIN task_run r ON r.id = a.task_run_id
JOIN operation o ON o.agent_id = w.agent_id AND o.kind = 'bonus' AND o.key = w.key
WHERE o.id <> w.id OR o.body <> jsonb_build_object('reason', w.reason) ORDER BY w.line
"""
_THERE = "SELECT o.id, o.state FROM wanted_bonus w JOIN operation o ON o.id = w.id ORDER BY w.line"
_NEW = "wanted_bonus w WHERE NOT EXISTS (SELECT FROM operation o WHERE o.id = w.id)"
_FRESH = f"SELECT w.id FROM {_NEW} ORDER BY w.line"  # noqa: S608 - the parts are ours
_SUMS = f"""
WITH w AS (SELECT * FROM {_NEW})
SELECT r.id, max(w.amount_minor) AS largest,
       sum(w.amount_minor + fee_of_bonus(r.quoted_minor, r.quoted_places, r.pay_minor, w.amount_minor))::bigint AS total
FROM w JOIN agent a ON a.id = w.agent_id JOIN task_run r ON r.id = a.task_run_id GROUP BY r.id
"""  # noqa: S608 - likewise
_WORKERS = f"""
WITH w AS (SELECT * FROM {_NEW})
SELECT a.worker_id, sum(w.amount_minor)::bigint FROM w JOIN agent a ON a.id = w.agent_id
WHERE a.task_run_id = :run GROUP BY a.worker_id
"""  # noqa: S608 - likewise
_AMOUNT = f"SELECT coalesce(sum(w.amount_minor), 0)::bigint FROM {_NEW}"  # noqa: S608 - likewise
#: Who gets a bonus should first be paid for the work, so it waits for the approval that is still to come.
_WRITE = f"""
WITH made AS (
INSERT INTO operation (id, requester_id, kind, target, key, body, amount_minor, currency, run_id, unit_id, agent_id,
                       after_id)
SELECT w.id, a.requester_id, 'bonus', a.submission, w.key, jsonb_build_object('reason', w.reason), w.amount_minor,
       r.currency, a.task_run_id, a.unit_id, a.id, (
           SELECT p.id FROM operation p
           WHERE p.agent_id = a.id AND p.kind = 'approve' AND NOT p.state = ANY (:final)
           ORDER BY p.created_at DESC, p.id LIMIT 1
       )
FROM (SELECT * FROM {_NEW}) AS w JOIN agent a ON a.id = w.agent_id JOIN task_run r ON r.id = a.task_run_id
ORDER BY w.id ON CONFLICT DO NOTHING RETURNING id
) SELECT count(*) FROM made
"""  # noqa: S608 - likewise


def begin(session: Session) -> None:
    """Want nothing yet."""
    session.flush()
    session.execute(text(_BEGIN))
    session.execute(text("DELETE FROM wanted_bonus"))


def add(session: Session, rows: Sequence[Wanted]) -> None:
    """Want these as well; any number of calls, some thousand rows each."""
    if rows:
        made = bulk.table(rows, **_COLUMNS)
        session.execute(insert(_TABLE).from_select(list(_COLUMNS), select(made)))


def hold(session: Session) -> None:
    """Let nobody decide on this work or plan for its runs until the transaction ends; in one order whoever comes."""
    session.execute(text("ANALYZE wanted_bonus"))
    # The run first, as everybody does who writes what the vendor shows of its people.
    session.execute(text(_RUNS))
    session.execute(text(_HOLD))


def twice(session: Session) -> Sequence[Row[Any]]:
    """`line` and `first`: the same work under the same key, and where that stands first."""
    return session.execute(text(_TWICE)).all()


def early(session: Session) -> Sequence[Row[Any]]:
    """`line`, and the `id` and `status` of an agent that is still at work."""
    return session.execute(text(_EARLY), {"live": sorted(AGENT_LIVE)}).all()


def otherwise(session: Session) -> Sequence[Row[Any]]:
    """Keys that were used before for another sum or reason: the operation, and what is wanted now."""
    return session.execute(text(_OTHERWISE)).all()


def there(session: Session) -> dict[UUID, State]:
    """What was planned before, and where it stands."""
    return {row.id: State(row.state) for row in session.execute(text(_THERE))}


def fresh(session: Session) -> list[UUID]:
    """The operations that are not there yet."""
    return list(session.scalars(text(_FRESH)))


def amount(session: Session) -> int:
    """What these come to for workers, in minor units."""
    return int(session.execute(text(_AMOUNT)).scalar_one())


def asked(session: Session) -> dict[TaskRun, Asked]:
    """What they ask of each run."""
    rows = session.execute(text(_SUMS)).all()
    return {
        session.get_one(TaskRun, row.id): Asked(row.total, row.largest, partial(_workers, session, row.id))
        for row in rows
    }


def _workers(session: Session, run: UUID) -> dict[UUID, int]:
    return {row.worker_id: row.sum for row in session.execute(text(_WORKERS), {"run": run})}


def write(session: Session) -> int:
    """Plan what is not there yet; returns how many that were."""
    return int(session.execute(text(_WRITE), {"final": sorted(FINAL)}).scalar_one())
