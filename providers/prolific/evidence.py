"""What Prolific shows of a study or a submission goes in, what it proves of our operation comes out; pure functions."""

from collections import Counter
from collections.abc import Container, Iterable, Sequence

from providers.contract import Absent, Accepted, Done, Outcome, Request
from providers.errors import NotSentError, RejectedError, UnknownError
from providers.outcome import redacted
from providers.prolific import mapping
from providers.prolific.shapes import Batch, Draft

#: Published, whatever came after.
_CLOSED = frozenset({"AWAITING REVIEW", "COMPLETED"})
_LIVE = _CLOSED | {"ACTIVE", "PAUSED"}
#: The vendor has taken the request; publishing may still fail (funds, checks) and fall back to UNPUBLISHED.
_UNDER_WAY = frozenset({"PUBLISHING", "SCHEDULED"})


def drafted(request: Request, study: Draft) -> Outcome:
    """The study exists, and pays what was meant; its id is what a run learns from its draft."""
    if study.reward == request.body["pay_minor"]:
        return Done({"study_id": study.id})
    return RejectedError(
        f"Prolific's draft {study.id} pays {study.reward} where {request.body['pay_minor']} was asked for, so it is "
        "not used; delete it there, and try again."
    )


def published(status: str) -> Outcome:
    """What a study's status proves about its publication."""
    if status in _LIVE:
        return Done()
    if status in _UNDER_WAY:
        return Accepted()
    return Absent() if status == "UNPUBLISHED" else _undecided("study", status)


def launched(request: Request, places: int) -> Outcome:
    """A launch is there when the study has at least as many places as it asked for."""
    return Done() if request.body["places"] <= places else Absent()


def approved(status: str) -> Outcome:
    """What a submission's status proves about its approval; work that was decided otherwise cannot be approved."""
    if status == mapping.APPROVED:
        return Done()
    if status == mapping.AWAITING_REVIEW or status in mapping.UNFINISHED:
        return Absent()
    if status in mapping.OTHERWISE:
        return RejectedError(f"The submission is {status} at Prolific, so it cannot be approved; look at it there.")
    return _undecided("submission", status)


def rejected(status: str) -> Outcome:
    """What a submission's status proves about its rejection."""
    if status == mapping.REJECTED:
        return Done()
    if status == mapping.AWAITING_REVIEW or status in mapping.UNFINISHED:
        return Absent()
    if status == mapping.APPROVED or status in mapping.OTHERWISE:
        return RejectedError(f"The submission is {status} at Prolific, so it cannot be rejected; look at it there.")
    return _undecided("submission", status)


def stopped(status: str) -> Outcome:
    """What a study's status proves about its end: closed by itself, it is as good as stopped."""
    if status in _CLOSED:
        return Done()
    return Absent() if status in _LIVE or status == "UNPUBLISHED" else _undecided("study", status)


def turned(kind: str, status: str) -> Outcome:
    """What a study's status proves about a ``pause`` or a ``resume``."""
    if status in _CLOSED or status == "UNPUBLISHED":
        return RejectedError(f"The study is {status} at Prolific, so there is nothing to {kind}.")
    wanted = "PAUSED" if kind == "pause" else "ACTIVE"
    return Done() if status == wanted else Absent()


def member(request: Request, members: Container[str], *, wanted: bool) -> Outcome:
    """What a group's members prove about somebody who should be in it, or should not."""
    return Done() if (request.facts["worker"] in members) == wanted else Absent()


def told(request: Request, texts: Iterable[str]) -> Outcome:
    """A message is there when one with its reference is."""
    return Done() if any(mapping.reference(request.id) in text for text in texts) else Absent()


def objection(batch: Batch, study: str, due: int) -> RejectedError | None:
    """Why bonuses that were set up must not be paid: they are not `due` minor units in all for this study."""
    told = f"Prolific set up batch {batch.id}, but"
    if batch.study not in (None, study):
        return RejectedError(f"{told} for another study, so nothing was paid.")
    if batch.amount is None:
        return RejectedError(f"{told} does not say what it would pay where {due} was asked for, so nothing was paid.")
    if batch.amount != due:
        return RejectedError(f"{told} it would pay {batch.amount} where {due} was asked for, so nothing was paid.")
    if batch.total < due:
        return RejectedError(f"{told} it would cost {batch.total} to pay {due}, so nothing was paid.")
    return None


def paid(request: Request, payments: Sequence[int]) -> Outcome:
    """A bonus is there when its amount is among what was added since its snapshot."""
    before = (request.baseline or {}).get("bonus_payments")
    if not isinstance(before, list):
        return UnknownError("What was paid before this bonus is not on record, so what is paid now tells nothing.")
    then, now = Counter(before), Counter(payments)
    if then - now:
        return UnknownError("Prolific shows fewer bonuses than before, so what was added cannot be told.")
    return Done() if request.amount_minor in now - then else Absent()


def recruits(status: str) -> bool:
    """Whether somebody may still take a place of a study, now or after a pause."""
    return status not in _CLOSED


def approval_refused(refusal: RejectedError, status: str) -> Outcome:
    """What a refused approval means, by what the submission's status is now.

    Our page may know of the completion before the worker is back at Prolific: too early is not a final no.
    """
    if status in mapping.UNFINISHED:
        return NotSentError(f"The submission is still {status} at Prolific; it is approved once it was handed in.")
    return despite(refusal, approved(status))


def despite(refusal: RejectedError, seen: Outcome) -> Outcome:
    """A refusal may mean "done already": unless the effect is absent, what the read shows counts."""
    return refusal if isinstance(seen, Absent) else seen


def promised(seen: Outcome) -> Outcome:
    """A success that does not show its effect yet is a promise; a read has to prove it."""
    return Accepted() if isinstance(seen, Absent) else seen


def _undecided(what: str, status: str) -> UnknownError:
    return UnknownError(f"The {what} is {redacted(status)} at Prolific, which decides nothing yet; it is read again.")
