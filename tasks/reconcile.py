"""Compares open runs with their vendors: beat in, one cheap count a run, a listing where it moved, small writes out."""

import logging
from uuid import UUID

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from models.agent import Agent
from models.requester import Requester
from models.session import transaction
from models.settings import settings
from models.status import INCOMPLETE, UnitStatus
from models.task_run import TaskRun
from models.tick import take
from models.unit import Unit
from providers import account_of, provider_of
from providers.contract import CrowdProvider
from providers.errors import ProviderError, RejectedError
from tasks import pacing, register
from tasks.celery import app
from tasks.diff import Changes, diff
from tasks.verdict import label

log = logging.getLogger(__name__)
OPEN_UNITS = (*INCOMPLETE, UnitStatus.COMPLETED)


@app.task(name="crowdops.reconcile")
def reconcile() -> None:
    """Reconcile every account that has open runs, once a slot however many beats there are."""
    with transaction() as session:
        if not take(session, "reconcile", settings().timing.reconcile_every):
            return
    for account in open_accounts():
        reconcile_account(account)


def open_accounts() -> list[UUID]:
    """Accounts that are not paused and have a run in progress at the vendor."""
    with transaction() as session:
        runs = exists().where(TaskRun.requester_id == Requester.id, TaskRun.is_completed.is_(False))
        return list(session.scalars(select(Requester.id).where(runs, pacing.is_open(Requester.id))))


def reconcile_account(account_id: UUID, *, full: bool = False) -> None:
    """Bring one account's open runs up to date; a vendor that does not answer is asked again in the next slot."""
    with transaction() as session:
        account = account_of(session.get_one(Requester, account_id))
        open_runs = select(TaskRun.id).where(TaskRun.requester_id == account_id, TaskRun.is_completed.is_(False))
        runs = list(session.scalars(open_runs))
    provider = provider_of(account)
    for run_id in runs:
        try:
            reconcile_run(provider, run_id, full=full)
        except ProviderError as error:
            pacing.learn(account_id, label(error), str(error))
            log.warning("Reconcile of run %s was put off: %s", run_id, error)
            # A refusal is about this run (its study is gone, say); anything else is about the vendor.
            if not isinstance(error, RejectedError):
                return


def reconcile_run(provider: CrowdProvider, run_id: UUID, *, full: bool = False) -> None:
    """Ask whether anything moved, list if so (or if `full`), and write what changed.

    Raises:
        ProviderError: the vendor did not answer; nothing was written.
    """
    with transaction() as session:
        run = session.get_one(TaskRun, run_id)
        facts, seen = run.facts, run.seen
        # What is compared is what we held before we asked: a decision made meanwhile is newer than the listing.
        held = select(Agent.submission, Agent.status).where(Agent.task_run_id == run_id)
        known = dict(session.execute(held).all())
    if not provider.is_at_vendor(facts):
        return
    vector = dict(provider.changed(facts))
    if vector == seen and not full:
        return
    pages = [row for page in provider.observe(facts) for row in page]
    with transaction() as session:
        _write(session, run_id, vector, diff(known, pages))


def _write(session: Session, run_id: UUID, vector: dict[str, int], changes: Changes) -> None:
    """Write a listing's changes, and after them the vector that announced them, if all of it could be written."""
    run = session.get_one(TaskRun, run_id, with_for_update=True)
    seen = vector if register.write(session, run, changes) else {}
    still_open = exists().where(Unit.task_run_id == run_id, Unit.status.in_(OPEN_UNITS))
    session.execute(update(TaskRun).where(TaskRun.id == run_id).values(seen=seen, is_completed=~still_open))
