"""Asks a vendor while somebody waits at the task's page: within seconds, at the account's pace, no more than is needed.

Facts of a run go in, observations come out.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import sleep
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from models.agent import Agent
from models.clock import stopwatch
from models.session import transaction
from models.status import UNIT_OF_AGENT, AgentStatus
from providers.contract import TOTAL, CrowdProvider, Observation
from providers.errors import ProviderError, RejectedError, ThrottledError
from tasks import listing, pacing
from tasks.refusal import BusyError, UnknownError
from tasks.verdict import label

log = logging.getLogger(__name__)

PATIENCE = 8.0
"""Seconds for everything that a vendor is asked about one arrival; a worker's browser waits for it."""
TURN = 2.0
"""Seconds that one request waits for its turn at the account's pace."""
LEFT = tuple(status for status, unit in UNIT_OF_AGENT.items() if unit is None)
"""Whoever is in one of these left a place to somebody else."""


def look(provider: CrowdProvider, facts: Mapping[str, Any], submission: str) -> Observation:
    """The submission as the vendor shows it.

    Raises:
        UnknownError: the run has no such submission there.
        BusyError: the account has too much else to do at the moment.
        ProviderError: the vendor did not answer.
    """
    if not provider.is_at_vendor(facts):
        raise UnknownError("This study is not at the vendor, so it has no submissions.")
    try:
        with _turn(provider.account.id):
            return provider.look(facts, submission)
    except RejectedError:
        raise UnknownError("The vendor knows no such submission of this study.") from None


@contextmanager
def _turn(account: UUID) -> Iterator[None]:
    """Wait for the account's pace, and let it learn from being throttled.

    Other failures move nothing here: a door whose environment lacks the token must not stop the whole fleet.
    """
    _await_turn(account)
    try:
        yield
    except ThrottledError as error:
        pacing.learn(account, label(error), str(error))
        raise


def _await_turn(account: UUID) -> None:
    until = stopwatch() + TURN
    granted, wait = pacing.take(account, 1)
    while not granted:
        if stopwatch() + wait > until:
            raise BusyError("Many others are being served at the moment. Please try again in a few seconds.")
        sleep(wait)
        granted, wait = pacing.take(account, 1)


def unseen(
    provider: CrowdProvider, facts: Mapping[str, Any], run_id: UUID
) -> tuple[Mapping[str, AgentStatus], list[Observation]]:
    """Who left without our knowing, and how we held everybody before that was asked.

    A list is read only if the vendor counts more of them than we do, and no further than they are found. If it does not
    answer, nobody was found: whoever waits gets a unit all the same.
    """
    try:
        missing = _missing(provider, facts, run_id)
        if missing <= 0:
            return {}, []
        held = listing.held(run_id)
        return held, _found(provider, facts, held, missing)
    except (ProviderError, BusyError) as error:
        log.warning("Who left a run could not be seen while a worker waited: %s", error)
        return {}, []


def _missing(provider: CrowdProvider, facts: Mapping[str, Any], run_id: UUID) -> int:
    """How many more left, as the vendor counts them, than we know of."""
    with transaction() as session:
        counts = select(Agent.status, func.count()).where(Agent.task_run_id == run_id, Agent.status.in_(LEFT))
        ours = {row[0]: row[1] for row in session.execute(counts.group_by(Agent.status))}
    with _turn(provider.account.id):
        counted = provider.changed(facts)
    theirs: Counter[AgentStatus | None] = Counter()
    for word, number in counted.items():
        theirs[provider.status_of(word)] += number if word != TOTAL else 0
    return sum(max(0, theirs[status] - ours.get(status, 0)) for status in LEFT)


def _found(
    provider: CrowdProvider, facts: Mapping[str, Any], held: Mapping[str, AgentStatus], missing: int
) -> list[Observation]:
    pages = iter(provider.left(facts))
    found: list[Observation] = []
    while len(found) < missing:
        with _turn(provider.account.id):
            page = next(pages, None)
        if page is None:
            break
        found += [row for row in page if row.status in LEFT and row.status != held.get(row.submission_id)]
    return found
