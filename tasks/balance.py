"""Holds an account's balance against what was paid from it: a reading goes in, a finding comes out if money is astray.

The vendor's balance may move for other reasons, and before or after we see a payment; so a gap is reported only if it
stays for as long as a payment may take to show.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from models.balance_reading import BalanceReading
from models.clock import after
from models.discrepancy import Discrepancy, Finding, report
from models.operation import IN_DOUBT, Operation, State
from models.posting import Entry, Posting
from models.requester import Requester
from models.session import transaction
from models.settings import settings
from models.task_run import TaskRun
from providers.contract import Quote

ON_ITS_WAY = (State.SENDING, *IN_DOUBT, State.REVIEW)


@dataclass(frozen=True, slots=True)
class Paid:
    """What was settled of an account in one currency, in minor units, and how many postings that is."""

    total_minor: int
    payments: int


def look(account_id: UUID, there: Quote) -> None:
    """Compare what the vendor says that the account has with the last reading that was explained."""
    with transaction() as session:
        # One look at a time: two would explain the same payment twice.
        session.get_one(Requester, account_id, with_for_update={"key_share": True})
        paid = _paid(session, account_id, there.currency)
        last = session.scalars(select(BalanceReading).where(BalanceReading.requester_id == account_id)).one_or_none()
        if last is None or last.currency != there.currency or _has_unknown_fees(session, account_id):
            _begin(session, account_id, last, there, paid)
            return
        gap = (last.total_minor - there.total_minor) - (paid.total_minor - last.paid_minor)
        # Fees are fractions: they are rounded with each payment, and once more in the balance.
        if gap <= 1 + _on_its_way(session, account_id) + (paid.payments - last.payments):
            _begin(session, account_id, last, there, paid)
        elif session.scalar(select(last.created_at < after(-settings().timing.shown_after))):
            _report(session, account_id, there.currency, gap)
            _begin(session, account_id, last, there, paid)


def _begin(session: Session, account_id: UUID, last: BalanceReading | None, there: Quote, paid: Paid) -> None:
    """Remember this reading in place of the last."""
    if last is not None:
        session.delete(last)
        session.flush()
    session.add(
        BalanceReading(
            requester_id=account_id,
            total_minor=there.total_minor,
            currency=there.currency,
            paid_minor=paid.total_minor,
            payments=paid.payments,
        )
    )


def _has_unknown_fees(session: Session, account_id: UUID) -> bool:
    """Of a run that was made without a quote nobody knows what the vendor takes, so nothing can be compared."""
    unknown = (TaskRun.requester_id == account_id, TaskRun.quoted_minor.is_(None))
    return bool(session.scalar(select(exists().where(*unknown))))


def _paid(session: Session, account_id: UUID, currency: str) -> Paid:
    settled = (Posting.requester_id == account_id, Posting.kind == Entry.SETTLE, Posting.currency == currency)
    total = func.coalesce(func.sum(Posting.amount_minor + Posting.fee_minor), 0)
    row = session.execute(select(total, func.count()).where(*settled)).one()
    return Paid(int(row[0]), row[1])


def _on_its_way(session: Session, account_id: UUID) -> int:
    """The most that operations in doubt may have paid by now, fees included as far as they are known."""
    doubtful = (Operation.requester_id == account_id, Operation.state.in_(ON_ITS_WAY))
    bonuses = select(func.coalesce(func.sum(Operation.amount_minor), 0)).where(*doubtful)
    pay = select(func.coalesce(func.sum(TaskRun.pay_minor), 0)).join(Operation, Operation.run_id == TaskRun.id)
    work = pay.where(*doubtful, Operation.kind == "approve")
    return 2 * sum(int(session.scalars(sum_).one() or 0) for sum_ in (bonuses, work))


def _report(session: Session, account_id: UUID, currency: str, gap: int) -> None:
    """One at a time: whoever looks into it looks at the account."""
    about = (Discrepancy.subject == account_id, Discrepancy.finding == Finding.BALANCE)
    if session.scalars(select(Discrepancy.id).where(*about, Discrepancy.resolved_at.is_(None))).first() is None:
        told = f"the balance went down by {gap} minor units of {currency} more than was paid from here"
        report(session, account_id, Finding.BALANCE, account_id, told)
