"""Brings one agent up to date: its id goes in, the vendor is asked once, and what changed is written."""

from dataclasses import dataclass
from uuid import UUID

from models.agent import Agent
from models.discrepancy import Finding
from models.session import transaction
from models.status import AgentStatus
from models.task_run import TaskRun
from providers import account_of, provider_for
from providers.errors import RejectedError
from tasks import register
from tasks.diff import Changes, Strange, diff


@dataclass(frozen=True, slots=True)
class Synced:
    """Where an agent stood before the read, where it stands now, and the vendor's word for it, if it knows it."""

    before: AgentStatus
    after: AgentStatus
    word: str | None
    strange: tuple[Strange, ...]
    """What does not fit, and is on record as a discrepancy."""


def sync_one(agent_id: UUID) -> Synced:
    """Ask the vendor about one agent, and write what changed if it is still where it was before the read.

    Raises:
        ProviderError: the vendor did not answer; nothing was written.
    """
    with transaction() as session:
        agent = session.get_one(Agent, agent_id)
        run = agent.task_run
        account, run_id, facts, world = account_of(run.requester), run.id, run.facts, run.sandbox
        before, submission = agent.status, agent.submission
    word, changes = None, Changes()
    try:
        seen = provider_for(account, [world]).look(facts, submission)
    except RejectedError as error:
        changes.strange.append(Strange(submission, Finding.VANISHED, f"the vendor knows it no more: {error}"))
    else:
        word, changes = seen.word, diff({submission: before}, [seen])
    with transaction() as session:
        run = session.get_one(TaskRun, run_id, with_for_update={"key_share": True})
        register.write(session, run, changes)
        after = session.get_one(Agent, agent_id, populate_existing=True).status
    return Synced(before, after, word, tuple(changes.strange))
