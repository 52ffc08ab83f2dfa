"""Compares open runs with their vendors: beat in, one cheap count a run, a listing where it moved, small writes out."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from celery import Task
from sqlalchemy import ColumnElement, and_, exists, false, func, or_, select, true, update
from sqlalchemy.orm import Session

from models import effects, failpoints
from models.agent import Agent
from models.clock import after, now
from models.discrepancy import Discrepancy, Finding
from models.operation import FINAL, Operation
from models.recruit import OFFERS, expire, expire_units
from models.requester import Requester
from models.session import transaction
from models.settings import settings
from models.status import AGENT_SETTLED, AgentStatus, UnitStatus
from models.task_run import TaskRun
from models.tick import take
from models.unit import Unit
from providers import account_of, installed, provider_for
from providers.contract import TOTAL, Account, CrowdProvider
from providers.errors import ProviderError, RejectedError
from tasks import lease, listing, pacing, register
from tasks.celery import app
from tasks.diff import Changes, portions
from tasks.lease import LeaseError
from tasks.schedule import expiry
from tasks.verdict import label

log = logging.getLogger(__name__)
RELISTED = 3
"""Times that a list is asked for again because it does not fit its counts."""
AGAIN = "listed again"
_NOBODYS = (UnitStatus.CREATED, UnitStatus.LAUNCHED)


@app.task(name="crowdops.reconcile", send_events=False)
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


@app.task(name="crowdops.reconcile_account", bind=True, max_retries=None)
def reconcile_one(self: Task, account_id: str, *, full: bool = False) -> None:
    """One account's round; a vendor that does not answer is asked again in the next slot."""
    try:
        reconcile_account(UUID(account_id), full=full)
    except ProviderError as error:
        log.warning("Reconcile of account %s was put off: %s", account_id, error)
    except LeaseError as error:
        log.warning("Reconcile of account %s was put off: %s", account_id, error)
        if full and not self.request.called_directly:
            # The next one is far off, and meets a quick round again.
            raise self.retry(countdown=settings().timing.lease / 4) from None


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
    with lease.held(account_id) as renew:
        keep = lease.sparing(renew)
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
        facts, seen, world, began = run.facts, run.seen, run.sandbox, session.scalars(select(now())).one()
    provider = provider_for(account, [world])
    if not provider.is_at_vendor(facts):
        return _close(run_id)
    vector = dict(provider.changed(facts))
    if vector == seen and not full and not _is_to_end(provider, run_id, facts):
        return None
    listed = listing.read(provider, facts, listing.held(run_id), keep)
    recruits = None if listed.at_work else provider.recruits(facts)
    current = _write(run_id, listed.changes, keep)
    keep()
    with transaction() as session:
        _locked(session, run_id)
        seen = _trusted(vector, listed.words, seen) if current else {}
        whole = bool(seen) and AGAIN not in seen
        _end(session, run_id, recruits, began)
        # Whoever took a place before the stop is among those that a list shows which was asked for after it.
        if whole and facts.get("stopped") and session.get_one(TaskRun, run_id, populate_existing=True).is_stopped:
            expire_units(session, run_id)
        over = _is_over(run_id) if whole else false()
        session.execute(update(TaskRun).where(TaskRun.id == run_id).values(seen=seen, is_completed=over))
    return None


def _trusted(vector: Mapping[str, int], words: Mapping[str, str], seen: Mapping[str, int]) -> dict[str, int]:
    """The counts to remember: marked, if the list shows others, so that it is asked for again, but not for ever.

    It is written all the same: what a shifting or lagging list showed is true, but something may be missing.
    """
    listed = Counter(words.values())
    counted = {word: number for word, number in vector.items() if number and word != TOTAL}
    times = seen.get(AGAIN, 0) if {**seen, AGAIN: 0} == {**vector, AGAIN: 0} else 0
    return dict(vector) if listed == counted or times == RELISTED else {**vector, AGAIN: times + 1}


def _is_to_end(provider: CrowdProvider, run_id: UUID, facts: Mapping[str, Any]) -> bool:
    """Whether a listing has to show that nobody else comes: units or operations of the run wait for that."""
    if facts.get("stopped"):
        return _is_there(_free_units(run_id))
    return _is_there(_waiting(run_id)) and not provider.recruits(facts)


def _is_there(rows: ColumnElement[bool]) -> bool:
    with transaction() as session:
        return bool(session.scalar(select(rows)))


def _free_units(run_id: UUID) -> ColumnElement[bool]:
    return exists().where(Unit.task_run_id == run_id, Unit.status.in_(_NOBODYS))


def _waiting(run_id: UUID) -> ColumnElement[bool]:
    return exists().where(Operation.run_id == run_id, Operation.hold.isnot(None), Operation.state.notin_(FINAL))


def _write(run_id: UUID, changes: Changes, keep: Callable[[], None]) -> bool:
    """Write a listing's changes; False if some row moved since then, so that the listing is not the newest.

    Each portion is a transaction of its own, since workers at the task's page wait for it.
    """
    current = True
    for portion in portions(changes):
        keep()
        with transaction() as session:
            current &= register.write(session, _locked(session, run_id), portion)
        failpoints.hit("after_portion")
    return current


def _locked(session: Session, run_id: UUID) -> TaskRun:
    return session.get_one(TaskRun, run_id, with_for_update={"key_share": True})


def _end(session: Session, run_id: UUID, recruits: bool | None, began: datetime) -> None:  # noqa: FBT001 - None: it was not asked
    """Take home whether the vendor still recruits, unless that may have changed since the round began."""
    offers = (Operation.run_id == run_id, Operation.kind.in_(OFFERS))
    moving = or_(Operation.state.notin_(FINAL), Operation.last_sent_at >= began, Operation.settled_at >= began)
    if recruits is None or session.scalar(select(exists().where(*offers, moving))):
        return
    if not recruits:
        effects.stopped(session, run_id)
        return
    effects.recruiting(session, [run_id])
    run = session.get_one(TaskRun, run_id, populate_existing=True)
    if run.is_expired:
        expire(run)


def _close(run_id: UUID) -> None:
    """A run whose study is gone, or never was, is over as soon as it was ended."""
    with transaction() as session:
        if session.get_one(TaskRun, run_id, with_for_update={"key_share": True}).is_stopped:
            expire_units(session, run_id)
        session.execute(update(TaskRun).where(TaskRun.id == run_id).values(is_completed=_is_over(run_id)))


def _is_over(run_id: UUID) -> ColumnElement[bool]:
    """Nobody else comes, no unit waits for anybody, no work is to be decided on, not even what may come late.

    Whom the vendor does not know any more is waited for until a person has seen that.
    """
    late = (Agent.status == AgentStatus.TIMEOUT) & (Agent.moved_at < after(-settings().timing.late_work))
    told = (Discrepancy.subject == Agent.id, Discrepancy.finding == Finding.VANISHED)
    gone = exists().where(*told, Discrepancy.resolved_at.isnot(None))
    at_work = exists().where(Agent.task_run_id == run_id, Agent.status.notin_(AGENT_SETTLED), ~late, ~gone)
    return and_(TaskRun.facts.has_key("stopped"), ~_free_units(run_id), ~at_work, ~_waiting(run_id))
