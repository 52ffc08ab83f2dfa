"""What is only read from Prolific: a study's submissions, the state of some of them, quotes and balances."""

from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from random import sample

from providers.contract import Observation, Quote, Request
from providers.errors import ProviderError, RejectedError, UnknownError
from providers.prolific import mapping
from providers.prolific.client import Client
from providers.prolific.shapes import Submission

_FEW = 3
"""Up to so many submissions are read one by one, more are looked for in the study's list first."""
_AT_ONCE = 12
"""The most that are read one by one in a go, so that a slow vendor does not keep a worker past its time limit."""
_WORTH = 4
"""One page of the list is read for so many submissions that are looked for; what it does not show is read singly."""


def observe(client: Client, study: str) -> Iterator[Sequence[Observation]]:
    """Every submission of a study, page by page."""
    for page in client.submissions(study):
        yield [_observation(submission) for submission in page]


def left(client: Client, study: str) -> Iterator[Sequence[Observation]]:
    """Every submission of a study that was given up or whose time is over, page by page."""
    for status in mapping.LEFT:
        for page in client.submissions(study, newest_first=True, status=status):
            yield [_observation(submission) for submission in page]


def look(client: Client, study: str, submission: str) -> Observation:
    """One submission of a study, with one read.

    Raises:
        RejectedError: there is none, or it belongs to another study.
    """
    visit = client.visit(submission)
    if visit.study != study:
        raise RejectedError("That submission belongs to another study at Prolific.")
    return _observation(visit)


def _observation(submission: Submission) -> Observation:
    return Observation(
        submission_id=submission.id,
        worker_name=submission.participant,
        status=mapping.agent_status(submission.status),
        word=submission.status,
        transient=submission.status == mapping.PROCESSING,
        partial=submission.status in mapping.PARTIAL,
    )


def quote(client: Client, workspace: str, pay_minor: int, currency: str, places: int) -> Quote:
    """What `places` units cost, fees and VAT included.

    Raises:
        RejectedError: the workspace pays in another currency, so the figures of the run would mean other sums.
    """
    theirs = client.balance(workspace).currency
    if theirs != currency:
        raise RejectedError(f"The workspace pays in {theirs}, but the run is in {currency}; change the run's currency.")
    return Quote(client.cost(pay_minor, places), theirs)


def balance(client: Client, workspace: str) -> Quote:
    """What the workspace can still spend."""
    found = client.balance(workspace)
    return Quote(found.available, found.currency)


def holdings(client: Client, workspace: str) -> Quote:
    """What the workspace has, spent or not yet."""
    found = client.balance(workspace)
    return Quote(found.total, found.currency)


def states(client: Client, requests: Sequence[Request]) -> dict[str, str | ProviderError]:
    """The status of each target by its id, with far fewer calls than one each where the newest pages show them."""
    seen: dict[str, str | ProviderError] = {}
    for study, members in groupby(sorted(requests, key=_study_of), key=_study_of):
        wanted = {request.target for request in members}
        if study and len(wanted) > _FEW:
            seen |= _listed(client, study, wanted)
        seen |= _singly(client, wanted - seen.keys())
    return seen


def _study_of(request: Request) -> str:
    return str(request.facts.get("study_id") or "")


def _listed(client: Client, study: str, wanted: set[str]) -> dict[str, str]:
    seen: dict[str, str] = {}
    for page in islice(client.submissions(study, newest_first=True), -(-len(wanted) // _WORTH)):
        seen |= {submission.id: submission.status for submission in page if submission.id in wanted}
        if len(seen) == len(wanted):
            break
    return seen


def _singly(client: Client, wanted: set[str]) -> dict[str, str | ProviderError]:
    """The first failure that is no refusal stands for all that were not read yet; what was read is not lost."""
    seen: dict[str, str | ProviderError] = {}
    for submission in sample(sorted(wanted), min(len(wanted), _AT_ONCE)):
        try:
            seen[submission] = client.submission(submission).status
        except RejectedError as refusal:
            # That a read was refused does not undo what was done.
            seen[submission] = UnknownError(str(refusal))
        except ProviderError as error:
            return dict.fromkeys(wanted, error) | seen
    later = UnknownError("Too many are in doubt to be read at once, so this one is read next time.")
    return dict.fromkeys(wanted, later) | seen
