"""Bonuses at Prolific: set up as a batch, which moves no money, then paid once; requests go in, outcomes come out.

Paying has no token, and the same batch paid twice is paid twice, as Prolific's page of it warns. What was paid shows as
a list of sums in the submission, minutes later: a payment is known by what has come to that list since it was kept.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from random import sample
from typing import Any, TypeVar

from models import failpoints
from models.clock import stopwatch
from models.settings import settings
from providers.contract import Absent, Accepted, Done, Outcome, Request
from providers.errors import NotSentError, ProviderError, RejectedError, ThrottledError, UnknownError, harmless
from providers.prolific import mapping
from providers.prolific.client import Client
from providers.prolific.shapes import Batch

PAID = "bonus_payments"
"""The name of the list, at Prolific and in what is kept of it."""
_IDENT = re.compile(r"[0-9a-f]{24}")
T = TypeVar("T")


def send(client: Client, requests: Sequence[Request]) -> Sequence[Outcome]:
    """Set up a batch for the requests, which are of one study, and pay it.

    Raises:
        ProviderError: marked as harmless where it came before the payment was asked for.
    """
    try:
        batch = _set_up(client, requests)
    except ProviderError as error:
        raise harmless(error) from None
    failpoints.hit("before_pay")
    try:
        client.pay_bonuses(batch.id)
    except ThrottledError as error:
        raise ThrottledError(_of(batch, error), error.retry_after) from None
    except ProviderError as error:
        raise type(error)(_of(batch, error)) from None
    fees = mapping.shares(batch.fees + batch.vat, [_sum(request) for request in requests])
    return [Accepted({"batch": batch.id, "fee_minor": fee}) for fee in fees]


def _of(batch: Batch, error: ProviderError) -> str:
    return f"batch {batch.id} was set up; paying it: {error}"


def _set_up(client: Client, requests: Sequence[Request]) -> Batch:
    """A batch that pays what is wanted, as its answer says in the other unit than it was asked for in."""
    study = str(requests[0].facts.get("study_id") or "")
    if not study:
        raise NotSentError("The run has no study at Prolific, so there is nobody to pay.")
    batch = client.set_up_bonuses(study, rows(requests))
    wanted = sum(map(_sum, requests))
    if batch.amount != wanted or (batch.study or study) != study:
        raise RejectedError(
            f"Prolific would pay {batch.amount} where {wanted} minor units were asked for, or in another study, so "
            "nothing was paid. The set-up stays at Prolific, and costs nothing."
        )
    return batch


def rows(requests: Sequence[Request]) -> str:
    """The CSV that Prolific wants: a submission and its sum in major units in each row.

    Raises:
        RejectedError: a target is no id of Prolific's, or its currency is none that it pays in.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for request in requests:
        if not _IDENT.fullmatch(request.target):
            raise RejectedError("A submission's id is not 24 hexadecimal digits, so nothing was sent.")
        writer.writerow([request.target, mapping.major(_sum(request), request.currency or "")])
    return text.getvalue()


def _sum(request: Request) -> int:
    return request.amount_minor or 0


def snapshot(client: Client, requests: Sequence[Request]) -> Sequence[Mapping[str, Any] | ProviderError]:
    """What each submission was paid on top by now."""
    shown = payments(client, [request.target for request in requests])
    return [one if isinstance(one, ProviderError) else {PAID: list(one)} for one in shown]


def find(client: Client, requests: Sequence[Request]) -> Sequence[Outcome]:
    """Whether each sum has come to its submission since what was there before was kept."""
    shown = payments(client, [request.target for request in requests])
    return [_found(request, one) for request, one in zip(requests, shown, strict=True)]


def _found(request: Request, shown: Sequence[int] | ProviderError) -> Outcome:
    if isinstance(shown, ProviderError):
        return UnknownError(str(shown)) if isinstance(shown, RejectedError) else shown
    if request.baseline is None:
        return UnknownError("What was paid before is not on record, so nothing can be told from what is paid now.")
    before, now = Counter(request.baseline[PAID]), Counter(shown)
    if before - now:
        return UnknownError("Prolific shows less than was paid before, so nothing can be told from it.")
    return Done() if (now - before)[_sum(request)] else Absent()


def payments(client: Client, submissions: Sequence[str]) -> Sequence[Sequence[int] | ProviderError]:
    """The bonuses of each submission, in minor units, read one by one; an error where one could not be read."""
    return _each(submissions, client.bonus_payments)


def _each(targets: Sequence[str], read: Callable[[str], T]) -> list[T | ProviderError]:
    """Read as many as there is time for, in any order, so that those that are left out come first another time."""
    until = stopwatch() + settings().timing.soft_limit / 3
    later = NotSentError("Too many were to be read at once, so this one is read next time.")
    found: dict[str, T | ProviderError] = dict.fromkeys(targets, later)
    for target in sample(sorted(found), len(found)):
        if stopwatch() > until:
            break
        try:
            found[target] = read(target)
        except ProviderError as error:
            found[target] = error
    return [found[target] for target in targets]
