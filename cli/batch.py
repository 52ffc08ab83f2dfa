"""A decision on many rows at once: all of them take it or none does, and what became of each is told."""

import os
import pwd
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from cli import console
from models.status import IllegalMoveError


class _Row(Protocol):
    id: Any


Row = TypeVar("Row", bound=_Row)


def all_or_none(rows: Sequence[Row], decision: Callable[[Row], Row], noun: str) -> list[Row]:
    """What a decision makes of each row.

    Raises:
        IllegalMoveError: some rows refuse it, and all of these are named; the transaction must not be committed.
    """
    made, refused = [], []
    for row in rows:
        try:
            made.append(decision(row))
        except IllegalMoveError as error:
            refused.append(str(error) if str(row.id) in str(error) else f"{noun.capitalize()} {row.id}: {error}")
    if refused:
        many = f"So none of the {console.counted(len(rows), noun)} was changed."
        raise IllegalMoveError("\n".join([*refused, many if len(rows) > 1 else "Nothing was changed."]))
    return made


def tell(data: Sequence[Mapping[str, Any]], lines: Sequence[str], *, as_json: bool) -> None:
    """What was done, a line for each row, or an entry for each."""
    if as_json:
        console.document(data)
        return
    for line in lines:
        console.say(line)


def user() -> str:
    """Who is at the keyboard, as the operating system knows them."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"
