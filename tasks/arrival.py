"""Workers at the task's page: a submission's id goes in, its unit's data comes out, or a refusal by name."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import exists, func, select, tuple_
from sqlalchemy.orm import Session, defer

from models.agent import Agent
from models.identity import agent_id, worker_id
from models.session import transaction
from models.status import AGENT_LIVE, AGENT_SETTLED, AgentStatus
from models.task_run import TaskRun
from models.unit import Unit, is_free
from providers import account_of, provider_for
from providers.contract import CrowdProvider, Observation
from providers.http import within
from tasks import asking, pacing, register
from tasks.diff import Changes, diff
from tasks.handin import AT_WORK, next_page, token_of
from tasks.refusal import NotTheirsError, PausedError, SecondUnitError, UnknownError, over


@dataclass(frozen=True, slots=True)
class Arrival:
    """An agent, the data of its unit, and the token without which nothing can be handed in for it."""

    agent_id: UUID
    data: dict[str, Any]
    token: str
    submitted: bool = False
    """Whether the worker has handed in already; all that is left to do is to go on to `redirect`."""
    redirect: str | None = None


@dataclass(frozen=True, slots=True)
class _Visit:
    """A worker who is not at work yet as far as we know, and what it takes to ask the vendor about them."""

    submission: str
    worker: str
    provider: CrowdProvider
    facts: Mapping[str, Any]
    held: Mapping[str, AgentStatus]


def known(run_id: UUID, submission: str, worker: str) -> Arrival | None:
    """Give a worker whom we know the data of their unit again; None if the vendor has to be asked about them first.

    Raises:
        RefusedError: as `arrive`.
    """
    with transaction() as session:
        run = session.get_one(TaskRun, run_id)
        return _again(session, run, _agent(session, run, submission), worker)


def arrive(run_id: UUID, submission: str, worker: str) -> Arrival:
    """Give a worker their unit's data; the vendor is asked about a submission that is not known yet, once.

    Where no unit is free, it is asked who left as well: their place, which the worker took, came with a unit.

    Raises:
        NotTheirsError: the submission is somebody else's.
        OverError: it is over.
        SecondUnitError: the worker has enough work of this run under other submissions.
        UnknownError: the run has no such submission at the vendor, or the vendor does not say how it stands.
        PausedError: the account is paused, so the vendor is not asked.
        BusyError: the account has too much else to do at this moment.
        ProviderError: the vendor did not answer; nothing was written.
    """
    with transaction() as session:
        run = session.get_one(TaskRun, run_id)
        agent = _agent(session, run, submission)
        if (found := _again(session, run, agent, worker)) is not None:
            return found
        _assert_open(session, run)
        account, world = account_of(run.requester), run.sandbox
        facts, held = run.facts, {submission: agent.status} if agent is not None else {}
    visit = _Visit(submission, worker, provider_for(account, [world]), facts, held)
    with within(asking.PATIENCE):
        return _ask(run_id, visit)


def _agent(session: Session, run: TaskRun, submission: str) -> Agent | None:
    """What was handed in is not loaded, which may be large."""
    agent = session.get(Agent, agent_id(run.requester_id, submission), options=[defer(Agent.data)])
    if agent is not None and agent.task_run_id != run.id:
        raise UnknownError("The vendor knows no such submission of this study.")
    return agent


def _again(session: Session, run: TaskRun, agent: Agent | None, worker: str) -> Arrival | None:
    """The answer for whoever has a unit, or is done with one: the vendor has no more to say about that."""
    if agent is None or (agent.status not in AGENT_SETTLED and (agent.unit_id is None or agent.status not in AT_WORK)):
        return None
    return _data(session, run, agent, worker)


def _assert_open(session: Session, run: TaskRun) -> None:
    if not session.scalar(select(TaskRun.id).where(TaskRun.id == run.id, pacing.is_open(TaskRun.requester_id))):
        raise PausedError("This study is paused at the moment. Please try again later, or write to the researcher.")


def _ask(run_id: UUID, visit: _Visit) -> Arrival:
    seen = asking.look(visit.provider, visit.facts, visit.submission)
    _assert_at_work(seen, visit.worker)
    with _locked(run_id) as (session, run):
        if session.scalar(select(exists().where(Unit.task_run_id == run_id, is_free()))):
            return _enter(session, run, visit, diff(visit.held, [seen]))
    # Everybody is as we held them before the vendor was asked who left: a decision that is made meanwhile is newer.
    held, left = asking.unseen(visit.provider, visit.facts, run_id)
    changes = diff({**held, **visit.held}, [*left, seen])
    with _locked(run_id) as (session, run):
        return _enter(session, run, visit, changes)


@contextmanager
def _locked(run_id: UUID) -> Iterator[tuple[Session, TaskRun]]:
    """A transaction that holds a run, so that nobody else takes its units meanwhile."""
    with transaction() as session:
        yield session, session.get_one(TaskRun, run_id, with_for_update={"key_share": True})


def _enter(session: Session, run: TaskRun, visit: _Visit, changes: Changes) -> Arrival:
    """Write what was seen, and give the unit's data."""
    register.write(session, run, changes)
    agent = session.get_one(Agent, agent_id(run.requester_id, visit.submission), options=[defer(Agent.data)])
    return _data(session, run, agent, visit.worker)


def _assert_at_work(seen: Observation, worker: str) -> None:
    if seen.worker_name != worker:
        raise NotTheirsError("This submission is somebody else's.")
    if seen.status is None:
        raise UnknownError("The vendor does not say yet how this submission stands; try again in a moment.")
    if seen.status not in AGENT_LIVE:
        raise over(seen.status, "there is no work to do for it")


def _data(session: Session, run: TaskRun, agent: Agent, worker: str) -> Arrival:
    if agent.task_run_id != run.id:
        raise UnknownError("This submission belongs to another run.")
    if agent.worker_id != worker_id(run.provider_type, worker):
        raise NotTheirsError("This submission is somebody else's.")
    if agent.unit is None or agent.status not in AT_WORK:
        raise over(agent.status, "there is no work to do for it")
    session.flush()
    _assert_within_limit(session, run, agent)
    data, token = agent.unit.assignment.data, token_of(run, agent.id, worker)
    return Arrival(agent.id, data, token, agent.submitted_at is not None, next_page(run, agent))


def _assert_within_limit(session: Session, run: TaskRun, agent: Agent) -> None:
    """The vendor holds the same limit; a study that was changed there must not give one worker everything."""
    limit = run.args.get("maximum_units_per_worker", 1)
    mine = (Agent.task_run_id == run.id, Agent.worker_id == agent.worker_id)
    earlier = tuple_(Agent.created_at, Agent.id) < tuple_(agent.created_at, agent.id)
    held = select(func.count()).select_from(Agent).join(Unit, Unit.agent_id == Agent.id).where(*mine, earlier)
    if session.scalars(held).one() >= limit:
        raise SecondUnitError("You have as much work of this study as one person may have, under other submissions.")
