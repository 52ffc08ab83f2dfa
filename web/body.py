"""Bytes of a request come in, what a task's page may say comes out; the limit holds while they are read."""

from collections.abc import Iterator
from typing import Annotated, TypeVar

from fastapi import Request
from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    field_validator,
)

from web.refusals import DeniedError

MAX_BODY = 1024 * 1024

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x20\x7f]+$")]
"""An id or a name as vendors and run files have them: no blanks, no control characters."""
LARGEST, SMALLEST = 1e50, 1e-50
"""The database writes a number with all its digits: 1e308 has 309 of them, and a body of such would grow fiftyfold."""
Shape = TypeVar("Shape", bound=BaseModel)


class Wish(BaseModel):
    """A worker at the page, who wants the data of their unit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: Name
    account: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    run: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    submission: Name = Field(validation_alias=AliasChoices("submission", "session"))
    worker: Name


class Work(BaseModel):
    """What a worker did, with the page's completion code, and the token that it got when the worker arrived."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    token: Annotated[str, StringConstraints(max_length=200)] | None = None
    code: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    data: dict[str, JsonValue]

    @field_validator("data")
    @classmethod
    def _of_numbers_that_can_be_kept(cls, data: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if all(number == 0 or SMALLEST <= abs(number) <= LARGEST for number in _numbers(data)):
            return data
        raise ValueError(
            "a number in it is beyond 1e50 or nearer to zero than 1e-50; hand in such a number as a string"
        )


def _numbers(data: JsonValue) -> Iterator[int | float]:
    """Every number in it, however deep."""
    waiting = [data]
    while waiting:
        match waiting.pop():
            case dict() as some:
                waiting += some.values()
            case list() as some:
                waiting += some
            case int() | float() as number:
                yield number


async def read(request: Request, shape: type[Shape]) -> Shape:
    """The body as one of the shapes above.

    Raises:
        DeniedError: it is larger than `MAX_BODY`, whatever its header says, or not of this shape.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            raise DeniedError(413, "too_large", f"A request may have {MAX_BODY} bytes at most; this one has more.")
    try:
        return shape.model_validate_json(bytes(body))
    except ValidationError as error:
        raise DeniedError(422, "malformed", _sentence(error)) from None


def _sentence(error: ValidationError) -> str:
    """What is wrong and where; what was sent is not repeated."""
    found = [(".".join(map(str, one["loc"][:2])), one["msg"]) for one in error.errors(include_input=False)]
    return "The request cannot be used. " + "; ".join(": ".join(filter(None, one)) for one in found)
