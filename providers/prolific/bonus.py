"""Bonuses: requests go in, are set up as one batch, checked and paid once; what submissions show of them comes out.

Setting up has no effect, so whatever goes wrong with it is harmless. Each payment of a batch adds one more.
"""

import csv
import re
from collections.abc import Collection, Mapping, Sequence
from io import StringIO
from random import sample
from typing import Any

from models import failpoints
from models.clock import stopwatch
from models.settings import settings
from providers.contract import Accepted, Outcome, Request
from providers.errors import AccountError, NotSentError, ProviderError, RejectedError, UnknownError, harmless
from providers.prolific import evidence, mapping
from providers.prolific.client import Client
from providers.prolific.shapes import Batch

_ID = re.compile(r"[0-9a-f]{24}")


def pay(client: Client, study: str, requests: Sequence[Request]) -> Sequence[Outcome]:
    """Set up the bonuses of one study as a batch, and pay it if it is what was meant.

    Each is `Accepted` with the `batch` and its own share of the fees and VAT, `fee_minor`.

    Raises:
        ProviderError: the outcome of every member; `harmless` if it came before anything was paid.
    """
    amounts = [request.amount_minor or 0 for request in requests]
    try:
        batch = _set_up(client, study, requests, sum(amounts))
    except ProviderError as error:
        harmless(error)
        raise
    failpoints.hit("before_pay")
    shares = mapping.fee_shares(batch.total - sum(amounts), amounts)
    try:
        client.pay_bonuses(batch.id)
    except ProviderError as error:
        error.args = (f"batch {batch.id} was set up; paying it: {error}",)
        raise
    return [Accepted({"batch": batch.id, "fee_minor": share}) for share in shares]


def _refuse_other_money(client: Client, requests: Sequence[Request]) -> None:
    """The amounts that go out name no currency: the workspace's own is meant."""
    try:
        theirs = client.balance(requests[0].facts["workspace"]).currency
    except RejectedError as error:
        raise NotSentError(f"the workspace's currency cannot be read, so nothing was sent: {error}") from None
    for ours in {request.currency for request in requests} - {theirs}:
        raise RejectedError(f"The workspace pays in {theirs}, but the bonus is in {ours}; nothing was sent.")


def _set_up(client: Client, study: str, requests: Sequence[Request], due: int) -> Batch:
    rows = _rows(requests)
    _refuse_other_money(client, requests)
    batch = client.set_up_bonuses(study, rows)
    if refusal := evidence.objection(batch, study, due):
        raise refusal
    return batch


def _rows(requests: Sequence[Request]) -> str:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(map(_row, requests))
    return text.getvalue()


def _row(request: Request) -> tuple[str, str]:
    if not _ID.fullmatch(request.target):
        raise RejectedError(
            "A bonus's target is not an id of a submission (24 hexadecimal digits in lower case); nothing was sent."
        )
    if request.amount_minor is None or request.amount_minor <= 0 or request.currency is None:
        raise RejectedError("A bonus has no amount above zero in a currency; nothing was sent.")
    try:
        return request.target, mapping.major(request.amount_minor, request.currency)
    except ValueError as problem:
        raise RejectedError(f"{problem}; nothing was sent.") from None


def snapshot(client: Client, requests: Sequence[Request]) -> Sequence[Mapping[str, Any] | ProviderError]:
    """What was paid on each submission so far, or why that could not be read.

    Raises:
        AccountError: the account has to be mended first.
    """
    seen = _payments(client, {request.target for request in requests})
    return [
        shown if isinstance(shown, ProviderError) else {"bonus_payments": shown}
        for shown in (seen[request.target] for request in requests)
    ]


def find(client: Client, requests: Sequence[Request]) -> Sequence[Outcome]:
    """Compare what was paid on each submission with its snapshot.

    Raises:
        AccountError: the account has to be mended first.
    """
    seen = _payments(client, {request.target for request in requests})
    return [_found(request, seen[request.target]) for request in requests]


def _found(request: Request, shown: Sequence[int] | ProviderError) -> Outcome:
    if isinstance(shown, RejectedError):
        # That a read was refused does not undo what was done.
        return UnknownError(str(shown))
    return shown if isinstance(shown, ProviderError) else evidence.paid(request, shown)


def payments(client: Client, submissions: Sequence[str]) -> Sequence[Sequence[int] | ProviderError]:
    """What was paid on each submission, in minor units, or why that could not be read.

    Raises:
        AccountError: the account has to be mended first.
    """
    seen = _payments(client, set(submissions))
    return [seen[submission] for submission in submissions]


def _payments(client: Client, targets: Collection[str]) -> dict[str, list[int] | ProviderError]:
    """Read submissions one by one, as far as the time goes; in any order, so that the others have their turn."""
    until = stopwatch() + settings().timing.soft_limit / 3
    seen: dict[str, list[int] | ProviderError] = {}
    for target in sample(sorted(targets), len(targets)):
        if stopwatch() > until:
            break
        try:
            seen[target] = client.bonus_payments(target)
        except AccountError:
            raise
        except ProviderError as error:
            seen[target] = error
    later = NotSentError("too many to read at once; this one is read next time")
    return dict.fromkeys(targets, later) | seen
