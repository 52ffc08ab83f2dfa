"""Holds what a purse has at the vendor against what was paid from it: a reading goes in, money astray comes out.

Accounts may share a purse, so they are summed up. The balance may move for other reasons, and before or after we see a
payment; so a gap is reported only if it stays for as long as a payment may take to show.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, exists, func, select
from sqlalchemy.orm import Session

from models.balance_reading import BalanceReading
from models.clock import after
from models.discrepancy import Discrepancy, Finding, report
from models.operation import IN_DOUBT, Operation, State
from models.posting import Entry, Posting
from models.requester import Requester
from models.session import UNSEEN, transaction
from models.settings import settings
from models.task_run import TaskRun
from providers import provider_class
from providers.contract import Quote

ON_ITS_WAY = (State.SENDING, *IN_DOUBT, State.REVIEW)


@dataclass(frozen=True, slots=True)
class Paid:
    """What was settled in one currency, in minor units, and how many postings that is."""

    total_minor: int = 0
    payments: int = 0


@dataclass(frozen=True, slots=True)
class Before:
    """What was settled before the vendor was asked, by currency: its answer has all of that in it, and maybe more."""

    account_id: UUID
    accounts: Sequence[UUID]
    """Every account with the same purse, this one among them."""
    paid: Mapping[str, Paid]


def before(account_id: UUID) -> Before:
    """To be called before the vendor is asked what an account has."""
    with transaction() as session:
        accounts = _sharing(session, session.get_one(Requester, account_id))
        return Before(account_id, accounts, _paid(session, accounts))


def look(earlier: Before, there: Quote) -> None:
    """Compare what the vendor says that the purse has with the last reading that was explained."""
    accounts = earlier.accounts
    with transaction() as session:
        # One look at a time: two would explain the same payment twice.
        held = select(Requester.id).where(Requester.id.in_(accounts)).order_by(Requester.id)
        session.execute(held.with_for_update(key_share=True))
        mine = select(BalanceReading).where(BalanceReading.requester_id.in_(accounts))
        last = session.scalars(mine.order_by(BalanceReading.created_at.desc())).first()
        if last is None or last.currency != there.currency or _has_unknown_fees(session, accounts):
            _begin(session, earlier, there)
            return
        paid = _paid(session, accounts).get(there.currency, Paid())
        gap = (last.total_minor - there.total_minor) - (paid.total_minor - last.paid_minor)
        # Fees are fractions: they are rounded with each payment, and once more in the balance.
        if gap <= 1 + _on_its_way(session, accounts) + (paid.payments - last.payments):
            _begin(session, earlier, there)
        elif session.scalar(select(last.created_at < after(-settings().timing.shown_after))):
            _report(session, earlier, there.currency, gap)
            _begin(session, earlier, there)


def _sharing(session: Session, account: Requester) -> Sequence[UUID]:
    """The accounts that spend from the same balance."""
    fact = provider_class(account.provider_type).PURSE
    purse = account.facts.get(fact) if fact else None
    if fact is None or not isinstance(purse, str):
        return [account.id]
    same = (Requester.provider_type == account.provider_type, Requester.facts[fact].astext == purse)
    return session.scalars(select(Requester.id).where(*same).order_by(Requester.id)).all()


def _begin(session: Session, earlier: Before, there: Quote) -> None:
    """Remember this reading in place of the last."""
    paid = earlier.paid.get(there.currency, Paid())
    gone = delete(BalanceReading).where(BalanceReading.requester_id.in_(earlier.accounts))
    session.execute(gone, execution_options=UNSEEN)
    session.add(
        BalanceReading(
            requester_id=earlier.account_id,
            total_minor=there.total_minor,
            currency=there.currency,
            paid_minor=paid.total_minor,
            payments=paid.payments,
        )
    )


def _has_unknown_fees(session: Session, accounts: Sequence[UUID]) -> bool:
    """Of a run that was made without a quote nobody knows what the vendor takes, so nothing can be compared."""
    unknown = (TaskRun.requester_id.in_(accounts), TaskRun.quoted_minor.is_(None))
    return bool(session.scalar(select(exists().where(*unknown))))


def _paid(session: Session, accounts: Sequence[UUID]) -> dict[str, Paid]:
    settled = (Posting.requester_id.in_(accounts), Posting.kind == Entry.SETTLE)
    sums = select(Posting.currency, func.sum(Posting.amount_minor + Posting.fee_minor), func.count())
    rows = session.execute(sums.where(*settled).group_by(Posting.currency))
    return {currency: Paid(int(total), payments) for currency, total, payments in rows}


def _on_its_way(session: Session, accounts: Sequence[UUID]) -> int:
    """The most that operations in doubt may have paid by now, fees included as far as they are known."""
    doubtful = (Operation.requester_id.in_(accounts), Operation.state.in_(ON_ITS_WAY))
    bonuses = select(func.coalesce(func.sum(Operation.amount_minor), 0)).where(*doubtful)
    pay = select(func.coalesce(func.sum(TaskRun.pay_minor), 0)).join(Operation, Operation.run_id == TaskRun.id)
    work = pay.where(*doubtful, Operation.kind == "approve")
    return 2 * sum(int(session.scalars(sum_).one() or 0) for sum_ in (bonuses, work))


def _report(session: Session, earlier: Before, currency: str, gap: int) -> None:
    """One at a time: whoever looks into it looks at the account, or at all that share its purse."""
    about = (Discrepancy.subject.in_(earlier.accounts), Discrepancy.finding == Finding.BALANCE)
    if session.scalars(select(Discrepancy.id).where(*about, Discrepancy.resolved_at.is_(None))).first() is None:
        others = len(earlier.accounts) - 1
        here = f"here, by this account and {others} more that share its money" if others else "here"
        told = f"the balance went down by {gap} minor units of {currency} more than was paid from {here}"
        report(session, earlier.account_id, Finding.BALANCE, earlier.account_id, told)
