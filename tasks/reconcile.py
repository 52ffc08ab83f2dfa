"""Compares open runs with their vendors: beat in, one cheap count a run, a listing where it moved, small writes out."""

import logging
from collections.abc import Callable
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, select, true, update
from sqlalchemy.orm import Session

from models.agent import Agent
from models.clock import after
from models.requester import Requester
from models.session import transaction
from models.settings import settings
from models.status import AGENT_SETTLED, INCOMPLETE, AgentStatus, UnitStatus
from models.task_run import TaskRun
from models.tick import take
from models.unit import Unit
from providers import account_of, installed, provider_for
from providers.contract import Account, Observation
from providers.errors import ProviderError, RejectedError
from tasks import lease, pacing, register
from tasks.celery import app
from tasks.diff import Changes, diff
from tasks.lease import LeaseError
from tasks.schedule import expiry
from tasks.verdict import label

log = logging.getLogger(__name__)
OPEN_UNITS = (*INCOMPLETE, UnitStatus.COMPLETED)


@app.task(name="crowdops.reconcile")
def reconcile(*, full: bool = False) -> None:
    """Start a round for every account that has open runs."""
    for account in begin(full=full):
        reconcile_one.apply_async((str(account),), {"full": full}, expires=expiry(_every(full=full)), retry=False)


def begin(*, full: bool) -> list[UUID]:
    """The accounts of this slot's round, for whoever comes first: once a slot, however many beats there are."""
    with transaction() as session:
        if not take(session, "full reconcile" if full else "reconcile", _every(full=full)):
            return []
    return open_accounts()


def _every(*, full: bool) -> float:
    return settings().timing.full_every if full else settings().timing.reconcile_every


@app.task(name="crowdops.reconcile_account")
def reconcile_one(account_id: str, *, full: bool = False) -> None:
    """One account's round; a vendor that does not answer is asked again in the next slot."""
    try:
        reconcile_account(UUID(account_id), full=full)
    except (ProviderError, LeaseError) as error:
        log.warning("Reconcile of account %s was put off: %s", account_id, error)


def open_accounts(*, completed: bool = False) -> list[UUID]:
    """Accounts that are not paused, whose vendor is installed, and that have a run there: one that goes on, or any."""
    with transaction() as session:
        runs = exists().where(TaskRun.requester_id == Requester.id, _wanted(completed=completed))
        usable = (runs, pacing.is_open(Requester.id), Requester.provider_type.in_(installed()))
        return list(session.scalars(select(Requester.id).where(*usable)))


def _wanted(*, completed: bool) -> ColumnElement[bool]:
    return true() if completed else TaskRun.is_completed.is_(False)


def reconcile_account(account_id: UUID, *, full: bool = False, completed: bool = False) -> None:
    """Bring one account's open runs (with `completed`, all) up to date, in no lasting order: none is always the last.

    Raises:
        LeaseError: another round of the account is under way.
        ProviderError: the vendor did not answer, or refused to speak of one run; what else was read is written.
    """
    with lease.held(account_id) as keep:
        with transaction() as session:
            account = account_of(session.get_one(Requester, account_id))
            mine = select(TaskRun.id).where(TaskRun.requester_id == account_id, _wanted(completed=completed))
            runs = list(session.scalars(mine.order_by(func.random())))
        refused = []
        for run_id in runs:
            try:
                reconcile_run(account, run_id, full=full, keep=keep)
            except RejectedError as error:
                # It concerns this run alone: its study may be gone.
                refused.append(error)
            except ProviderError as error:
                pacing.learn(account_id, label(error), str(error))
                raise
        if refused:
            raise refused[0]


def reconcile_run(
    account: Account, run_id: UUID, *, full: bool = False, keep: Callable[[], None] = lambda: None
) -> None:
    """Ask whether anything moved, list if so (or if `full`), and write what changed; `keep` is called at every step.

    Raises:
        ProviderError: the vendor did not answer; nothing was written.
    """
    keep()
    with transaction() as session:
        run = session.get_one(TaskRun, run_id)
        facts, seen, world = run.facts, run.seen, run.sandbox
        # What is compared is what we held before we asked: a decision made meanwhile is newer than the listing.
        held = select(Agent.submission, Agent.status).where(Agent.task_run_id == run_id)
        known = dict(session.execute(held).all())
    provider = provider_for(account, [world])
    if not provider.is_at_vendor(facts):
        return
    vector = dict(provider.changed(facts))
    if vector == seen and not full:
        return
    rows: list[Observation] = []
    for page in provider.observe(facts):
        rows += page
        keep()
    if len({row.submission_id for row in rows}) < vector.get("TOTAL", 0):
        # A short listing is written, but the counts are asked again: what it left out must not stay unseen.
        vector = {}
    with transaction() as session:
        _write(session, run_id, vector, diff(known, rows))


def _write(session: Session, run_id: UUID, vector: dict[str, int], changes: Changes) -> None:
    """Write a listing's changes, and after them the vector that announced them, if all of it could be written."""
    run = session.get_one(TaskRun, run_id, with_for_update={"key_share": True})
    seen = vector if register.write(session, run, changes) else {}
    session.execute(update(TaskRun).where(TaskRun.id == run_id).values(seen=seen, is_completed=_is_over(run_id)))


def _is_over(run_id: UUID) -> ColumnElement[bool]:
    """No unit is open, and nobody's work is still to be decided on, not even work that may come late."""
    late = (Agent.status == AgentStatus.TIMEOUT) & (Agent.moved_at < after(-settings().timing.late_work))
    at_work = exists().where(Agent.task_run_id == run_id, Agent.status.notin_(AGENT_SETTLED), ~late)
    return ~exists().where(Unit.task_run_id == run_id, Unit.status.in_(OPEN_UNITS)) & ~at_work
