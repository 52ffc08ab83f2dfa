"""Compares bonuses with what the vendors show: beat in, a share of the submissions is read, findings come out.

It never pays. A payment that settles what was in doubt is evidence; one that nothing explains is put before a person.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, exists, false, func, or_, select, update
from sqlalchemy.orm import Session

from models.agent import Agent
from models.bonus import KIND
from models.clock import after, now
from models.discrepancy import report
from models.operation import Operation
from models.requester import Requester
from models.session import UNSEEN, transaction
from models.settings import settings
from models.status import AGENT_LIVE
from models.task_run import TaskRun
from models.tick import take
from providers import account_of, provider_for
from providers.contract import CrowdProvider
from providers.errors import ProviderError
from tasks import balance, engine, pacing, reconcile
from tasks.celery import app
from tasks.payments import Bonus, compare
from tasks.rows import to_requests
from tasks.schedule import expiry
from tasks.verdict import label

log = logging.getLogger(__name__)
SHARE = 50
"""Submissions that are read in one round of an account, those first that were not read for longest."""
RECENT = 30 * 24 * 3600
"""Seconds after the end of the work, or after a bonus, in which its payments are looked at."""


@app.task(name="crowdops.audit", send_events=False)
def audit() -> None:
    """Start a round for every account that is open, once a slot, however many beats there are."""
    for account in begin():
        audit_one.apply_async((str(account),), expires=expiry(settings().timing.audit_every), retry=False)


def begin() -> Sequence[UUID]:
    """Take the slot of now: the accounts that are open, or none if another beat was quicker."""
    with transaction() as session:
        if not take(session, "audit", settings().timing.audit_every):
            return []
    return reconcile.open_accounts(completed=True)


@app.task(name="crowdops.audit_account")
def audit_one(account_id: str) -> None:
    """One account's round; a vendor that does not answer is asked again in the next slot."""
    try:
        audit_account(UUID(account_id))
    except ProviderError as error:
        pacing.learn(UUID(account_id), label(error), str(error))
        log.warning("The audit of account %s was put off: %s", account_id, error)


def audit_account(account_id: UUID) -> None:
    """Compare the payments of a share of an account's submissions.

    Raises:
        ProviderError: the vendor did not answer; what was read before is written.
    """
    with transaction() as session:
        account = account_of(session.get_one(Requester, account_id))
        worlds: dict[bool, list[Row[Any]]] = defaultdict(list)
        for row in session.execute(_next(account_id)):
            worlds[row.sandbox].append(row)
    for world, rows in worlds.items():
        provider = provider_for(account, [world])
        shown = provider.payments([row.submission for row in rows])
        read = {row.id: one for row, one in zip(rows, shown, strict=True) if not isinstance(one, ProviderError)}
        doubtful = _compare(account_id, read)
        _take_evidence(provider, doubtful)
        before = balance.before(account_id)
        if (there := provider.holdings()) is not None:
            balance.look(before, there)
        if failed := [one for one in shown if isinstance(one, ProviderError)]:
            raise failed[0]


def _next(account_id: UUID) -> Any:  # noqa: ANN401 - a SELECT
    since = after(-RECENT)
    bonus = exists().where(Operation.agent_id == Agent.id, Operation.kind == KIND, Operation.created_at > since)
    mine = (Agent.requester_id == account_id, Agent.status.notin_(AGENT_LIVE), or_(Agent.moved_at > since, bonus))
    rows = select(Agent.id, Agent.submission, TaskRun.sandbox).join(TaskRun, TaskRun.id == Agent.task_run_id)
    return rows.where(*mine).order_by(Agent.audited_at.nulls_first(), Agent.moved_at, Agent.id).limit(SHARE)


def _compare(account_id: UUID, read: Mapping[UUID, Sequence[int]]) -> list[UUID]:
    """Report what does not fit; returns the operations in doubt that what is shown may settle."""
    doubtful: list[UUID] = []
    with transaction() as session:
        # Asked after the vendor: whatever it showed by then was claimed before.
        bonuses, currencies = _bonuses(session, read), _currencies(session, read)
        for agent, shown in sorted(read.items()):
            found = compare(shown, bonuses[agent])
            doubtful += found.doubtful
            if told := found.told(currencies[agent]):
                report(session, account_id, told[0], agent, told[1])
        seen = update(Agent).where(Agent.id.in_(read)).values(audited_at=now())
        session.execute(seen, execution_options=UNSEEN)
    return doubtful


def _bonuses(session: Session, agents: Iterable[UUID]) -> Mapping[UUID, list[Bonus]]:
    sent, due = Operation.first_sent_at.isnot(None), Operation.settled_at < after(-settings().timing.shown_after)
    columns = (
        Operation.agent_id,
        Operation.id,
        Operation.amount_minor,
        Operation.state,
        sent,
        func.coalesce(due, false()),
    )
    found: dict[UUID, list[Bonus]] = defaultdict(list)
    for agent, *bonus in session.execute(
        select(*columns).where(Operation.agent_id.in_(agents), Operation.kind == KIND)
    ):
        found[agent].append(Bonus(*bonus))
    return found


def _currencies(session: Session, agents: Iterable[UUID]) -> dict[UUID, str]:
    rows = select(Agent.id, TaskRun.currency).join(TaskRun, TaskRun.id == Agent.task_run_id)
    return dict(session.execute(rows.where(Agent.id.in_(agents))).all())


def _take_evidence(provider: CrowdProvider, ids: Sequence[UUID]) -> None:
    """Read back what an amount may belong to, even where a person was to decide; what it proves is put on record."""
    if not ids:
        return
    with transaction() as session:
        rows = session.scalars(select(Operation).where(Operation.id.in_(ids)).order_by(Operation.id)).all()
        requests = to_requests(session, rows)
    outcomes = provider.find(requests)
    with transaction() as session:
        engine.confirm(session, engine.evidence(requests, outcomes))
