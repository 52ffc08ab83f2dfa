"""What the ledger says: postings go in, sums come out, in minor units of their currency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Uuid, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY

from models.posting import Entry, Posting, Purpose

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from uuid import UUID

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session


class MixedCurrencyError(ValueError):
    """A sum was wanted over amounts in several currencies."""


@dataclass(frozen=True, slots=True)
class Sums:
    """One kind of money of a run, or of no run: what went in, and where it is. Minor units of `currency`."""

    requester_id: UUID
    run_id: UUID | None
    purpose: Purpose
    currency: str
    amounts: Mapping[Entry, int]
    """What workers get, for each kind of posting."""
    fees: Mapping[Entry, int]
    """What the vendor takes on top."""

    @property
    def open_minor(self) -> int:
        """What workers may still get of what was reserved."""
        return _open(self.amounts)

    @property
    def open_fee_minor(self) -> int:
        """What the vendor may still take."""
        return _open(self.fees)


def _open(sums: Mapping[Entry, int]) -> int:
    return sums[Entry.RESERVE] + sums[Entry.ADJUST] - sums[Entry.SETTLE] - sums[Entry.RELEASE]


def summary(session: Session, *where: ColumnElement[bool]) -> list[Sums]:
    """The sums of each account, run, purpose and currency among the postings that `where` names."""
    group = (Posting.requester_id, Posting.run_id, Posting.purpose, Posting.currency)
    columns = [
        func.coalesce(func.sum(column).filter(Posting.kind == kind), 0).cast(BigInteger)
        for column in (Posting.amount_minor, Posting.fee_minor)
        for kind in Entry
    ]
    rows = session.execute(select(*group, *columns).where(*where).group_by(*group).order_by(*group))
    return [_sums(tuple(row)) for row in rows]


def _sums(row: tuple[Any, ...]) -> Sums:
    account, run, purpose, currency, *sums = row
    amounts, fees = sums[: len(Entry)], sums[len(Entry) :]
    of_kind = (dict(zip(Entry, part, strict=True)) for part in (amounts, fees))
    return Sums(account, run, purpose, currency, *of_kind)


def committed(session: Session, *where: ColumnElement[bool]) -> int:
    """What was reserved and not released, fees included: spent, or still to be.

    Raises:
        MixedCurrencyError: it is in several currencies; so for the other sums.
    """
    return _sum(session, _NET, *where, Posting.kind != Entry.SETTLE)


def spent(session: Session, *where: ColumnElement[bool]) -> int:
    """What was settled, fees included."""
    return _sum(session, _BOTH, *where, Posting.kind == Entry.SETTLE)


def open_of(session: Session, *where: ColumnElement[bool]) -> int:
    """What is reserved and neither settled nor released, fees included."""
    return _sum(session, _NET, *where)


_BOTH = Posting.amount_minor + Posting.fee_minor
_NET: ColumnElement[int] = func.open_by(Posting.kind, type_=BigInteger) * _BOTH


def _sum(session: Session, column: ColumnElement[int], *where: ColumnElement[bool]) -> int:
    session.flush()
    total = func.coalesce(func.sum(column), 0).cast(BigInteger)
    sums = select(total, func.min(Posting.currency), func.max(Posting.currency)).where(*where)
    found, first, last = session.execute(sums).one()
    if first != last:
        raise MixedCurrencyError(f"There is money in {first} and in {last}, which is not added up: ask for each run.")
    return int(found)


_TODAY = text("""
SELECT coalesce(sum(greatest(net, 0)), 0)::bigint FROM (
    SELECT sum(open_by(kind) * (amount_minor + fee_minor)) AS net FROM posting
    WHERE requester_id = :account AND currency = :currency AND kind <> 'settle'
        AND created_at >= date_trunc('day', crowdops_now(), 'UTC')
    GROUP BY CASE purpose WHEN 'pay' THEN unit_id ELSE operation_id END
) AS subject
""")


def committed_today(session: Session, account: UUID, currency: str) -> int:
    """What an account reserved since midnight UTC and did not release again, fees included.

    What is released today of yesterday's makes no room for more today.
    """
    return int(session.execute(_TODAY, {"account": account, "currency": currency}).scalar_one())


_OF_WORKERS = text("""
SELECT worker, sum(amount)::bigint FROM (
    SELECT a.worker_id AS worker, p.amount_minor AS amount
    FROM posting p JOIN agent a ON a.id = p.agent_id
    WHERE a.worker_id = ANY (:workers) AND p.requester_id = :account AND p.purpose = 'pay' AND p.kind = 'settle'
    UNION ALL
    SELECT a.worker_id, open_by(p.kind) * p.amount_minor
    FROM posting p JOIN agent a ON a.id = p.agent_id
    WHERE a.worker_id = ANY (:workers) AND p.requester_id = :account AND p.purpose = 'bonus' AND p.kind <> 'settle'
    UNION ALL
    SELECT a.worker_id, open_by(p.kind) * p.amount_minor
    FROM posting p JOIN unit u ON u.id = p.unit_id JOIN agent a ON a.id = u.agent_id
    WHERE a.worker_id = ANY (:workers) AND p.requester_id = :account AND p.purpose = 'pay'
) AS had GROUP BY worker
""").bindparams(bindparam("workers", type_=ARRAY(Uuid)))


def of_workers(session: Session, account: UUID, workers: Collection[UUID]) -> dict[UUID, int]:
    """What each of these workers got from an account or may still get from it, without fees."""
    rows = session.execute(_OF_WORKERS, {"account": account, "workers": sorted(workers)})
    return {worker: total for worker, total in rows}  # noqa: C416 - rows are no pairs to a type checker


def pay_of(session: Session, unit_id: UUID) -> int:
    """What a unit costs as the ledger has it, fees included: settled, or else still open; 0 if nobody is paid."""
    mine = (Posting.unit_id == unit_id, Posting.purpose == Purpose.PAY)
    return committed(session, *mine)
