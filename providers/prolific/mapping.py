"""Prolific's words, numbers and studies become ours and back; pure functions.

Facts are those of Prolific's OpenAPI document of February 2026.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit
from uuid import UUID

from models.status import AgentStatus

APPROVED, REJECTED = "APPROVED", "REJECTED"
AWAITING_REVIEW = "AWAITING REVIEW"
PROCESSING = "PROCESSING"
"""Undocumented, and seen for moments between other states."""
#: The worker has not finished, or not in time; a late completion still comes back as AWAITING REVIEW.
UNFINISHED = frozenset({"RESERVED", "ACTIVE", "TIMED OUT"})
#: Whose place is free again, in the words by which a list of submissions is narrowed.
LEFT = ("RETURNED", "TIMED-OUT")
#: Paid, but not in full.
PARTIAL = frozenset({"PARTIALLY APPROVED", "SCREENED OUT"})
#: Decided or over, and not by a full approval.
OTHERWISE = PARTIAL | {REJECTED, "RETURNED"}
LEAST_MESSAGE = 100
"""Characters that the message of a rejection has at least."""
CATEGORIES = (
    "TOO_QUICKLY",
    "TOO_SLOWLY",
    "FAILED_INSTRUCTIONS",
    "INCOMP_LONGITUDINAL",
    "FAILED_CHECK",
    "LOW_EFFORT",
    "MALINGERING",
    "NO_CODE",
    "BAD_CODE",
    "NO_DATA",
    "UNSUPP_DEVICE",
    "OTHER",
)

_AGENT: Mapping[str, AgentStatus] = {
    "RESERVED": AgentStatus.ACCEPTED,
    "ACTIVE": AgentStatus.IN_TASK,
    AWAITING_REVIEW: AgentStatus.COMPLETED,
    APPROVED: AgentStatus.APPROVED,
    "PARTIALLY APPROVED": AgentStatus.APPROVED,
    "SCREENED OUT": AgentStatus.APPROVED,
    REJECTED: AgentStatus.REJECTED,
    "RETURNED": AgentStatus.RETURNED,
    "TIMED OUT": AgentStatus.TIMEOUT,
}

#: Fields of a study that a run file may set in Prolific's own form.
OPTIONAL = (
    "content_warning_details",
    "content_warnings",
    "device_compatibility",
    "filters",
    "peripheral_requirements",
    "project",
    "study_labels",
)
_PLACEHOLDERS = "PROLIFIC_PID={{%PROLIFIC_PID%}}&STUDY_ID={{%STUDY_ID%}}&SESSION_ID={{%SESSION_ID%}}"
#: Prolific counts money in hundredths; where a currency's minor unit is another, a sum would be another too.
_IN_HUNDREDTHS = frozenset({"EUR", "GBP", "USD"})
#: Far above any sum of money or number of places; it keeps an absurd exponent from filling the memory.
_BOUND = 10**12
_WORD = 40
"""Characters of a status that are kept; an unknown one may be anything."""


@lru_cache(maxsize=256)
def word(text: str) -> str:
    """A status as we write it: upper case, parted by single blanks (``TIMED-OUT`` and ``timed_out`` are one word)."""
    return " ".join(re.split(r"[\s_-]+", text.strip().upper()))[:_WORD]


def agent_status(text: str) -> AgentStatus | None:
    """The agent's status for a submission's, or None for a word that tells nothing (PROCESSING, UNKNOWN, news)."""
    return _AGENT.get(word(text))


def whole(value: object) -> int:
    """A count: the vendor's type is "number", so 40 and 40.0 are both 40.

    Raises:
        ValueError: not a whole number from 0 up.
    """
    number = _number(value)
    if number < 0 or number != number.to_integral_value():
        raise ValueError("not a whole number from 0 up")
    return int(number)


def minor(value: object) -> int:
    """An amount in minor units; fees and taxes come with fractions (283.34) and are rounded half up, here only.

    Raises:
        ValueError: not a number, or absurdly large.
    """
    return int(_number(value).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def exact(value: object) -> Decimal:
    """An amount in minor units as it was quoted, with its fractions.

    Raises:
        ValueError: not a number from 0 up, or absurdly large.
    """
    number = _number(value)
    if number < 0:
        raise ValueError("not a number from 0 up")
    return number


def major(amount_minor: int, currency: str) -> str:
    """Minor units as Prolific wants them in the rows of bonuses: ``150`` is ``1.50``, and ``30`` there pays 30.00.

    Raises:
        ValueError: Prolific would take the sum for another one.
    """
    if currency not in _IN_HUNDREDTHS:
        raise ValueError(f"Prolific pays in {', '.join(sorted(_IN_HUNDREDTHS))}, and not in {currency}")
    return f"{Decimal(amount_minor).scaleb(-2):f}"


def fee_shares(fee: Decimal, amounts: Sequence[int]) -> list[int]:
    """Each payment's share of a fee on all of them, in whole minor units that add up to the rounded fee."""
    whole, total = minor(fee), sum(amounts)
    marks = [0, *((2 * whole * so_far + total) // (2 * total) for so_far in accumulate(amounts))]
    return [after - before for before, after in pairwise(marks)]


def _number(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not -_BOUND < value < _BOUND:
        raise ValueError("not a number of a sensible size")
    return Decimal(value)


def internal_name(operation: UUID) -> str:
    """What makes a study findable whose creation was not answered: lists show it, participants do not see it."""
    return f"crowdops {operation}"


def reference(operation: UUID) -> str:
    """What a message is found by whose sending was not answered."""
    return f"Ref. {operation.hex[:12]}"


def message(operation: UUID, text: str) -> str:
    """A text with its reference, which is the one thing about it that no other message has."""
    return f"{text}\n\n{reference(operation)}"


def page(url: str, door: str | None, **named: str) -> str:
    """The address of the task's page with what it needs to ask for a worker's data, and where (`door`)."""
    parts = urlsplit(url)
    words = urlencode(named | ({"api": door} if door else {}))
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, words)))))


def return_url(code: str) -> str:
    """Where a participant completes the submission with a code."""
    return f"https://app.prolific.com/submissions/complete?{urlencode({'cc': code})}"


def task_link(url: str) -> str:
    """The task's address with Prolific's placeholders; the page asks for its data with ``SESSION_ID``."""
    if "{{%SESSION_ID%}}" in url:
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, _PLACEHOLDERS)))))


def study(operation: UUID, body: Mapping[str, Any], filters: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """The draft of a study with one place, from the neutral fields of a run; `filters` come on top of the run file's.

    Every completion code asks for a review: a code that approved by itself would pay without an operation.
    """
    wanted = {
        "name": body["name"],
        "internal_name": internal_name(operation),
        "description": body["description"],
        "external_study_url": task_link(body["task_url"]),
        "prolific_id_option": "url_parameters",
        "completion_codes": [_code(code) for code in body["completion_codes"]],
        "estimated_completion_time": body["estimated_minutes"],
        "reward": body["pay_minor"],
        "total_available_places": 1,
        "device_compatibility": [],
        "peripheral_requirements": [],
        "filters": [],
        "submissions_config": {"max_submissions_per_participant": body.get("maximum_units_per_worker", 1)},
    }
    if body.get("maximum_minutes") is not None:
        wanted["maximum_allowed_time"] = body["maximum_minutes"]
    wanted |= {name: body[name] for name in OPTIONAL if body.get(name) is not None}
    return wanted | {"filters": [*wanted["filters"], *filters]}


def newcomers(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The filter that keeps out whoever took part in one of the studies before, however that ended."""
    studies = body.get("previous_studies")
    return [{"filter_id": "previous_studies_blocklist", "selected_values": studies}] if studies else []


def _code(code: str) -> dict[str, Any]:
    return {"code": code, "code_type": "COMPLETED", "actor": "participant", "actions": [{"action": "MANUALLY_REVIEW"}]}
