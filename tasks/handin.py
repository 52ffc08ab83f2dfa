"""What a worker did comes in from the task's page, once for each submission, and where their browser goes next out."""

import hmac
from typing import Any
from uuid import UUID

from sqlalchemy import literal, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session, defer

from models.agent import Agent
from models.clock import now
from models.session import transaction
from models.status import AGENT_LIVE, AgentStatus
from models.task_run import TaskRun
from providers import provider_class
from tasks.refusal import ConflictError, UnknownError, WrongCodeError, WrongTokenError, over

AT_WORK = AGENT_LIVE | {AgentStatus.TIMEOUT, AgentStatus.COMPLETED}
"""Who is in one of these may still hand something in: late, or after the vendor has seen the end of it."""
CODE = "completion_code"
"""The fact of an agent that says with which code its worker handed in."""


def token_of(run: TaskRun, agent: UUID, worker: str) -> str:
    """What the page gets when its worker arrives, and shows to hand in; nothing of it has to be stored.

    It is made from the worker's name at the vendor, which whoever arrives has to know, and which no id tells.
    """
    return hmac.digest(f"{run.page_key} {worker}".encode(), agent.bytes, "sha256").hex()


def hand_in(run_id: UUID, agent: UUID, token: str | None, code: str, data: dict[str, Any]) -> str | None:
    """Keep what a worker did; the same again changes nothing. Returns where the browser goes next, if anywhere.

    Raises:
        UnknownError: the run has no such agent.
        WrongTokenError: the token is missing, or is not what the agent's worker got.
        ConflictError: they handed in something else before.
        WrongCodeError: the code is none of the run's.
        OverError: the submission is over.
    """
    with transaction() as session:
        run = session.get_one(TaskRun, run_id)
        row = _locked(session, run_id, agent)
        if not hmac.compare_digest(token_of(run, agent, row.worker.name).encode(), (token or "").encode()):
            raise WrongTokenError("This page has not been given this work; please open it again where you found it.")
        if code not in run.args["completion_codes"]:
            raise WrongCodeError("That is not a completion code of this study.")
        if row.submitted_at is None:
            _keep(session, row, code, data)
        # As the database keeps it, where 1e23 is the whole number that it means.
        elif not session.scalar(select(Agent.data == literal(data, JSONB)).where(Agent.id == agent)):
            told = "Something else was handed in for this submission before; that is kept."
            raise ConflictError(told, next_page(run, row))
        return next_page(run, row)


def next_page(run: TaskRun, agent: Agent) -> str | None:
    """Where the browser of somebody who has handed in goes next; None for nowhere."""
    code = agent.facts.get(CODE)
    return provider_class(run.provider_type).return_url(code) if code else None


def _locked(session: Session, run_id: UUID, agent: UUID) -> Agent:
    """The agent's row, without what was handed in, which may be large."""
    mine = select(Agent).where(Agent.id == agent, Agent.task_run_id == run_id).options(defer(Agent.data))
    row = session.scalars(mine.with_for_update(of=Agent, key_share=True)).one_or_none()
    if row is None:
        raise UnknownError("This run has no such agent.")
    return row


def _keep(session: Session, row: Agent, code: str, data: dict[str, Any]) -> None:
    """Whether that completes the work is the vendor's to say."""
    if row.status not in AT_WORK:
        raise over(row.status, "nothing can be handed in for it")
    row.data, row.facts = data, {**row.facts, CODE: code}
    row.submitted_at = session.scalars(select(now())).one()
