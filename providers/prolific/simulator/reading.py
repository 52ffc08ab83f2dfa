"""Reads that are not so: a fault and what a read would show go in, what the caller is shown instead comes out.

Nothing changes by it; the next read may show things as they are.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

LISTED = frozenset({"GET submissions/", "GET studies/", "GET projects/{project_id}/studies/"})
SUBMISSIONS = frozenset({"GET submissions/"})
ONE_OR_MORE = SUBMISSIONS | {"GET submissions/{id}/"}
WORDS = {"status_processing": "PROCESSING", "status_unknown": "UNKNOWN", "status_strange": "ON HOLD"}
"""Status words of real life: Mephisto saw the first, the document has the second, anybody may see the third one day."""
MISREADS: Mapping[str, frozenset[str]] = {
    "list_skips": LISTED,
    "list_repeats": LISTED,
    "list_passes": LISTED,
    "list_stale": SUBMISSIONS,
    **dict.fromkeys(WORDS, ONE_OR_MORE),
}
"""The kinds, and the endpoints on which each can strike."""
LATER_PAGES = {"list_repeats": -1, "list_passes": 1}
"""By how many rows these shift a page, as a row inserted or removed before it would; the first page has none before."""

T = TypeVar("T")


def applicable(kind: str, endpoint: str, page: int) -> bool:
    """Whether a kind of `MISREADS` can strike a read of this page of an endpoint."""
    return endpoint in MISREADS[kind] and (page > 1 or kind not in LATER_PAGES)


def page(rows: Sequence[T], number: int, size: int, kind: str | None) -> list[T]:
    """One page of the rows, without one of them, or shifted by one."""
    start = (number - 1) * size + LATER_PAGES.get(kind or "", 0)
    shown = list(rows[start : start + size])
    if kind == "list_skips":
        del shown[len(shown) // 2 : len(shown) // 2 + 1]
    return shown


def worded(rows: Iterable[Mapping[str, Any]], kind: str | None) -> list[Mapping[str, Any]]:
    """The rows, the middle one with another status word if the kind is of `WORDS`."""
    shown = list(rows)
    if kind in WORDS and shown:
        middle = len(shown) // 2
        shown[middle] = {**shown[middle], "status": WORDS[kind]}
    return shown
