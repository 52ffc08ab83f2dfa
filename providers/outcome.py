"""What came back from a vendor goes in, an answer or a named error comes out: the only place that decides which.

Pure: no I/O, no clock. Everything that a message quotes from a vendor is shortened and redacted here.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, Never

from providers.errors import (
    AccountError,
    NotSentError,
    ProviderError,
    RejectedError,
    ThrottledError,
    UnknownError,
)

QUOTED = 300
"""Characters of a vendor's text that a message repeats at most."""
PATIENCE = 3600.0
"""Seconds that a vendor may ask us to wait; more is taken for this, so that no answer parks an account for days."""

_UNREADABLE = object()
_OK = 200
_ALLOWED_EMPTY = (204, 205)
_ACCOUNT = (401, 403)
_TIMEOUT = 408
_NOT_FOUND = 404
_THROTTLED = 429
#: Ids of 24 hex digits, tokens and e-mail addresses, as vendors quote them back.
_PRIVATE = re.compile(r"(?<![\w-])(?=[\w-]*\d)[\w-]{20,}|[0-9a-fA-F]{24}|\S+@\S+")


class NotFoundError(RejectedError):
    """The vendor knows no such thing (404): also the page after the last one of a list."""


class Answer(NamedTuple):
    """A well-formed success. Fractions in `json` are `Decimal`, never floats; an empty 204 is None."""

    status: int
    json: Any


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole response, header names in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Broken:
    """No whole response; `written` says whether a byte of the request may have left."""

    reason: str
    written: bool


def outcome(what: str, got: Reply | Broken, *, bare: bool = False) -> Answer | ProviderError:
    """Classify one exchange; `what` names the request in messages and must be redacted already.

    With `bare` the success of the request has nothing to show, so a 200 without a body is one.
    """
    if isinstance(got, Broken):
        if got.written:
            return _unknown(what, got.reason)
        return NotSentError(f"{what}: nothing reached the vendor ({got.reason}); it can be sent again.")
    if got.status == _THROTTLED:
        return ThrottledError(f"{what}: the vendor wants fewer requests (HTTP 429).", retry_after(got.headers))
    parsed = None if bare and got.status == _OK and not got.body else _parse(got)
    if got.status in _ACCOUNT:
        said = _refusal(parsed) or "no reason given"
        return AccountError(
            f"{what}: the vendor refused the credential (HTTP {got.status}: {said}). Check the account's token and "
            "its rights, then resume the account."
        )
    return _settled(what, got.status, parsed)


def _settled(what: str, status: int, parsed: object) -> Answer | ProviderError:
    if parsed is _UNREADABLE:
        return _unknown(what, f"HTTP {status} with a body that is not JSON")
    if 200 <= status < 300:  # noqa: PLR2004 - the class of success in HTTP
        return Answer(status, parsed)
    said = _refusal(parsed)
    if said is None or not 400 <= status < 500 or status == _TIMEOUT:  # noqa: PLR2004 - the class of client errors
        return _unknown(what, f"HTTP {status}")
    kind = NotFoundError if status == _NOT_FOUND else RejectedError
    return kind(f"{what}: the vendor refused (HTTP {status}): {said}")


def _unknown(what: str, reason: str) -> UnknownError:
    return UnknownError(f"{what}: {reason}. The vendor may have acted, so its state is read before anything else.")


def _parse(reply: Reply) -> object:
    if not reply.body and reply.status in _ALLOWED_EMPTY:
        return None
    try:
        return json.loads(
            reply.body.decode("utf-8"), object_pairs_hook=_unique, parse_float=Decimal, parse_constant=_refuse
        )
    except (ValueError, ArithmeticError, RecursionError):
        return _UNREADABLE


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key stands twice")
    return made


def _refuse(constant: str) -> Never:
    raise ValueError(f"{constant} is not JSON")


def _refusal(parsed: object) -> str | None:
    """The vendor's reason, or None when this is no error body: ``title`` and ``detail``, under ``error`` or bare."""
    error = parsed.get("error", parsed) if isinstance(parsed, dict) else None
    if not isinstance(error, dict):
        return None
    parts = [_text(error.get("title")), _text(error.get("detail"))]
    said = ": ".join(part for part in parts if part)
    return redacted(said)[:QUOTED] if said else None


def _text(value: object) -> str:
    """Prolific's detail is a text, a list of texts, or an object of field names with either."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "; ".join(item for item in value if isinstance(item, str))
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_text(item)}" for key, item in value.items() if isinstance(item, str | list))
    return ""


def redacted(text: str) -> str:
    """The text on one line, without anything that looks like a participant, a token or an address."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return _PRIVATE.sub("…", line)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that ``Retry-After`` asks for, or None if it does not say; a date counts from the vendor's own ``Date``.

    A worker's clock is never asked: it may be hours off.
    """
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdecimal():
        return min(float(value), PATIENCE)
    try:
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError):
        return None
    return min(max(wait.total_seconds(), 0.0), PATIENCE)
