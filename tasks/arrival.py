"""Workers at the task's page: a submission's id goes in, its unit's data comes out, or a refusal by name."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import exists, func, select, tuple_
from sqlalchemy.orm import Session

from models.agent import Agent
from models.identity import agent_id, worker_id
from models.session import transaction
from models.status import AGENT_LIVE
from models.task_run import TaskRun
from models.unit import Unit, is_free
from providers import account_of, provider_for
from providers.contract import CrowdProvider, Observation
from providers.errors import RejectedError
from tasks import listing, register
from tasks.diff import Changes, diff
from tasks.handin import AT_WORK, token_of
from tasks.refusal import NotTheirsError, OverError, SecondUnitError, UnknownError


@dataclass(frozen=True, slots=True)
class Arrival:
    """An agent, the data of its unit, and the token without which nothing can be handed in for it."""

    agent_id: UUID
    data: dict[str, Any]
    token: str


def arrive(run_id: UUID, submission: str, worker: str) -> Arrival:
    """Give a worker their unit's data; the vendor is asked about a submission that is not known yet, once.

    Where no unit is free, it is asked who left as well: their place, which the worker took, came with a unit.

    Raises:
        NotTheirsError: the submission is somebody else's.
        OverError: it is over.
        SecondUnitError: the worker has enough work of this run under other submissions.
        UnknownError: the run has no such submission at the vendor, or the vendor does not say how it stands.
        ProviderError: the vendor did not answer; nothing was written.
    """
    with transaction() as session:
        run = session.get_one(TaskRun, run_id)
        account, facts, world = account_of(run.requester), run.facts, run.sandbox
        known = session.get(Agent, agent_id(run.requester_id, submission))
        if known is not None and known.task_run_id != run_id:
            raise UnknownError("The vendor knows no such submission of this study.")
        if known is not None and known.unit_id is not None and _is_to_hand_in(known):
            return _data(session, run, known, worker)
        held = {submission: known.status} if known is not None else {}
    provider = provider_for(account, [world])
    seen = _look(provider, facts, submission, worker)
    with _locked(run_id) as (session, run):
        if session.scalar(select(exists().where(Unit.task_run_id == run_id, is_free()))):
            return _enter(session, run, submission, worker, diff(held, [seen]))
    # Everybody is as we held them before the vendor was asked who left: a decision that is made meanwhile is newer.
    held = listing.held(run_id) | held
    changes = diff(held, [*provider.left(facts), seen])
    with _locked(run_id) as (session, run):
        return _enter(session, run, submission, worker, changes)


def _is_to_hand_in(agent: Agent) -> bool:
    """Whether somebody is at work, or may still hand in what they did: their page may have to be opened again."""
    return agent.status in AGENT_LIVE or (agent.status in AT_WORK and agent.data is None)


@contextmanager
def _locked(run_id: UUID) -> Iterator[tuple[Session, TaskRun]]:
    """A transaction that holds a run, so that nobody else takes its units meanwhile."""
    with transaction() as session:
        yield session, session.get_one(TaskRun, run_id, with_for_update={"key_share": True})


def _enter(session: Session, run: TaskRun, submission: str, worker: str, changes: Changes) -> Arrival:
    """Write what was seen, and give the unit's data."""
    register.write(session, run, changes)
    return _data(session, run, session.get_one(Agent, agent_id(run.requester_id, submission)), worker)


def _look(provider: CrowdProvider, facts: Mapping[str, Any], submission: str, worker: str) -> Observation:
    """The submission as the vendor shows it, if it is the worker's and there is work to do for it."""
    if not provider.is_at_vendor(facts):
        raise UnknownError("This study is not at the vendor, so it has no submissions.")
    try:
        seen = provider.look(facts, submission)
    except RejectedError:
        raise UnknownError("The vendor knows no such submission of this study.") from None
    _assert_at_work(seen, worker)
    return seen


def _assert_at_work(seen: Observation, worker: str) -> None:
    if seen.worker_name != worker:
        raise NotTheirsError("This submission is somebody else's.")
    if seen.status is None:
        raise UnknownError("The vendor does not say yet how this submission stands; try again in a moment.")
    if seen.status not in AGENT_LIVE:
        raise OverError(f"This submission is {seen.word.lower()} at the vendor, so there is no work to do for it.")


def _data(session: Session, run: TaskRun, agent: Agent, worker: str) -> Arrival:
    if agent.task_run_id != run.id:
        raise UnknownError("This submission belongs to another run.")
    if agent.worker_id != worker_id(run.provider_type, worker):
        raise NotTheirsError("This submission is somebody else's.")
    if agent.unit is None or agent.status not in AT_WORK:
        raise OverError(f"This submission is {agent.status}, so there is no work to do for it.")
    session.flush()
    _assert_within_limit(session, run, agent)
    return Arrival(agent.id, agent.unit.assignment.data, token_of(run, agent.id, worker))


def _assert_within_limit(session: Session, run: TaskRun, agent: Agent) -> None:
    """The vendor holds the same limit; a study that was changed there must not give one worker everything."""
    limit = run.args.get("maximum_units_per_worker", 1)
    mine = (Agent.task_run_id == run.id, Agent.worker_id == agent.worker_id)
    earlier = tuple_(Agent.created_at, Agent.id) < tuple_(agent.created_at, agent.id)
    held = select(func.count()).select_from(Agent).join(Unit, Unit.agent_id == Agent.id).where(*mine, earlier)
    if session.scalars(held).one() >= limit:
        raise SecondUnitError("You have as much work of this study as one person may have, under other submissions.")
