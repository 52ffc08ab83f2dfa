"""What goes back to a caller: a handler's result or error goes in, status, headers and bytes come out.

The document shows errors in two shapes: inside ``{"error": ...}``, or bare; each endpoint says which it uses.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

ERROR_CODE = 140000  # The document calls it internal and lists no values; callers must not read meaning into it.


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer; JSON unless the headers say otherwise."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


class ApiError(Exception):
    """The API refuses the call."""

    def __init__(self, status: int, detail: str | Mapping[str, Any]) -> None:
        """Keep the HTTP status and what the caller is told: a sentence, or problems by field."""
        super().__init__(detail)
        self.status = status
        self.detail = detail


def success(payload: object = None, status: int = HTTPStatus.OK) -> Answer:
    """An answer with a JSON payload, or with an empty body."""
    return Answer(status, b"" if payload is None else json.dumps(payload).encode())


def refusal(error: ApiError, *, nested: bool) -> Answer:
    """The error in the shape that the endpoint is documented with."""
    detail = {
        "status": int(error.status),
        "error_code": ERROR_CODE,
        "title": HTTPStatus(error.status).phrase,
        "detail": error.detail,
    }
    return success({"error": detail} if nested else detail, error.status)
