"""Reads what a vendor shows of a run: pages go in, what we do not hold comes out; of other rows a word is kept."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import sample
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from models.agent import Agent
from models.discrepancy import Finding
from models.session import transaction
from models.status import AGENT_LIVE, AGENT_SETTLED, AgentStatus
from providers.contract import CrowdProvider, Observation
from providers.errors import RejectedError
from tasks.diff import Changes, Strange, diff

SINGLY = 20
"""Submissions that are looked for one by one in a round."""


@dataclass(slots=True)
class Listing:
    """What a vendor shows of a run."""

    words: dict[str, str] = field(default_factory=dict)
    """The vendor's last word for each submission."""
    statuses: set[AgentStatus | None] = field(default_factory=set)
    """Every status that somebody is in."""
    changes: Changes = field(default_factory=Changes)

    @property
    def at_work(self) -> bool:
        """Whether anybody is."""
        return not AGENT_LIVE.isdisjoint(self.statuses)


def held(run_id: UUID) -> dict[str, AgentStatus]:
    """What we hold before we ask: a decision that is made meanwhile is newer than the listing."""
    with transaction() as session:
        # An array for each status is far less to read than a row for each agent.
        alike = select(Agent.status, func.array_agg(Agent.submission)).where(Agent.task_run_id == run_id)
        rows = session.execute(alike.group_by(Agent.status))
        return {submission: status for status, submissions in rows for submission in submissions}


def read(
    provider: CrowdProvider, facts: Mapping[str, Any], known: Mapping[str, AgentStatus], keep: Callable[[], None]
) -> Listing:
    """Everything that the vendor shows of a run, and what of it we do not hold; `keep` is called at every page.

    Raises:
        ProviderError: the vendor did not answer.
    """
    listing = Listing()
    strange: list[Strange] = []

    def rows() -> Iterator[Observation]:
        for page in provider.observe(facts):
            keep()
            yield from _noted(listing, page)
        open_still = (submission for submission, status in known.items() if status not in AGENT_SETTLED)
        missing = [submission for submission in open_still if submission not in listing.words]
        found, strange[:] = _look_for(provider, facts, missing)
        yield from _noted(listing, found)

    listing.changes = diff(known, rows())
    listing.changes.strange += strange
    return listing


def _noted(listing: Listing, rows: Iterable[Observation]) -> Iterator[Observation]:
    for row in rows:
        listing.words[row.submission_id] = row.word
        listing.statuses.add(row.status)
        yield row


def _look_for(
    provider: CrowdProvider, facts: Mapping[str, Any], missing: Sequence[str]
) -> tuple[list[Observation], list[Strange]]:
    """Submissions that a listing did not show are read one by one, a few a round: absence from a page means nothing."""
    found, strange = [], []
    for submission in sample(missing, min(len(missing), SINGLY)):
        try:
            found.append(provider.look(facts, submission))
        except RejectedError as error:
            strange.append(Strange(submission, Finding.VANISHED, f"the vendor knows it no more: {error}"))
    return found, strange
