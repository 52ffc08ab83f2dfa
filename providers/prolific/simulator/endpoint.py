"""What an endpoint is, and what its handler gets: the state and one parsed call."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

from yarl import URL

from providers.prolific.simulator.answer import Answer, ApiError
from providers.prolific.simulator.faults import Fault
from providers.prolific.simulator.reading import page, worded
from providers.prolific.simulator.state import State

PAGE_SIZE = 20
MAX_PAGE_SIZE = 100

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """One call to an endpoint: the ids of its path, its query and its body, and the fault that it meets if any."""

    url: URL
    ids: Mapping[str, str]
    body: bytes
    fault: Fault | None = None

    @property
    def query(self) -> Mapping[str, str]:
        """The query parameters; of a repeated one the first."""
        return self.url.query

    @property
    def page(self) -> int | None:
        """The number of the page that is asked for; None when it is no number."""
        return positive(self.query.get("page", "1"))

    @property
    def misread(self) -> str | None:
        """The kind of fault that a read is to show."""
        return self.fault.kind if self.fault else None

    def json(self) -> dict[str, Any]:
        """The body as a JSON object.

        Raises:
            ApiError: 400, it is something else.
        """
        try:
            value = json.loads(self.body)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise ApiError(HTTPStatus.BAD_REQUEST, "The body must be a JSON object.")
        return value


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method and path below ``/api/v1/``."""

    method: str
    path: str
    handle: Callable[[State, Request], Answer]
    nested: bool
    """Whether its errors come inside ``{"error": ...}`` (schema Error) or bare (schema ErrorDetail)."""

    @property
    def name(self) -> str:
        """How faults and the call log name it, for example ``POST studies/{id}/transition/``."""
        return f"{self.method} {self.path}"


def listing(rows: Sequence[T], show: Callable[[T], dict[str, Any]], request: Request, size: int) -> dict[str, Any]:
    """One page in Prolific's envelope; `size` is the page size when the caller names none, and else 100 the most.

    Raises:
        ApiError: 404, the page lies past the end.
    """
    asked = positive(request.query.get("page_size"))
    size = min(asked, MAX_PAGE_SIZE) if asked else size
    last = max(1, -(-len(rows) // size))
    number = request.page
    if number is None or number > last:
        raise ApiError(HTTPStatus.NOT_FOUND, "Invalid page.")

    def link(title: str, to: int) -> dict[str, str | None]:
        href = str(request.url.update_query(page=to)) if 1 <= to <= last else None
        return {"href": href, "title": title}

    links = {
        "self": link("Current", number),
        "next": link("Next", number + 1),
        "previous": link("Previous", number - 1),
        "last": link("Last", last),
    }
    shown = worded(map(show, page(rows, number, size, request.misread)), request.misread)
    return {"results": shown, "_links": links, "meta": {"count": len(rows)}}


def positive(text: str | None) -> int | None:
    """A whole number from 1 on, if the text is one."""
    return int(text) if text is not None and text.isdecimal() and int(text) > 0 else None
