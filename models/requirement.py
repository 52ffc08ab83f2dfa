"""A requirement says whom a run lets in by what they were granted: a granted value goes in, yes or no comes out."""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from operator import eq, ge, gt, le, lt, ne
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, model_validator


class Comparator(StrEnum):
    """How a granted value is held against the one that is asked for."""

    GREATER_THAN = "GreaterThan"
    GREATER_THAN_OR_EQUAL_TO = "GreaterThanOrEqualTo"
    LESS_THAN = "LessThan"
    LESS_THAN_OR_EQUAL_TO = "LessThanOrEqualTo"
    EQUAL_TO = "EqualTo"
    NOT_EQUAL_TO = "NotEqualTo"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"
    IN = "In"
    NOT_IN = "NotIn"


_C = Comparator
_BARE = (_C.EXISTS, _C.DOES_NOT_EXIST)
_OF_SEVERAL = (_C.IN, _C.NOT_IN)
_HOLDS: Mapping[Comparator, Callable[[int, Any], bool]] = {
    _C.GREATER_THAN: gt,
    _C.GREATER_THAN_OR_EQUAL_TO: ge,
    _C.LESS_THAN: lt,
    _C.LESS_THAN_OR_EQUAL_TO: le,
    _C.EQUAL_TO: eq,
    _C.NOT_EQUAL_TO: ne,
    _C.EXISTS: lambda _granted, _asked: True,
    _C.DOES_NOT_EXIST: lambda _granted, _asked: False,
    _C.IN: lambda granted, asked: granted in asked,
    _C.NOT_IN: lambda granted, asked: granted not in asked,
}

_WHOLE = re.compile(r"-?[0-9]{1,18}")
MOST = 50
"""Numbers in a list; they are part of a group's name at the vendor."""

Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]+$")
]


def _value(given: object) -> int | list[int] | None:
    """Run files hold texts."""
    if isinstance(given, list) and 1 <= len(given) <= MOST:
        return [_whole(one) for one in given]
    return None if given is None else _whole(given)


def _whole(given: object) -> int:
    if isinstance(given, bool) or not isinstance(given, int | str) or not _WHOLE.fullmatch(str(given)):
        raise ValueError(f"must be a whole number, or a list of 1 to {MOST} of them")
    return int(given)


class Requirement(BaseModel):
    """One condition on one qualification. Who was never granted it meets `DoesNotExist` and nothing else."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    comparator: Comparator = Comparator.EXISTS
    value: Annotated[int | list[int] | None, BeforeValidator(_value)] = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.comparator in _BARE and self.value is not None:
            raise ValueError(f"{self.comparator} takes no value")
        if self.comparator in _OF_SEVERAL and not isinstance(self.value, list):
            raise ValueError(f"{self.comparator} needs a list of whole numbers as its value")
        if self.comparator not in (*_BARE, *_OF_SEVERAL) and not isinstance(self.value, int):
            raise ValueError(f"{self.comparator} needs one whole number as its value")
        return self

    def is_met(self, granted: int | None) -> bool:
        """Whether a granted value, or None for who was never granted it, is what is asked for."""
        if granted is None:
            return self.comparator is Comparator.DOES_NOT_EXIST
        return _HOLDS[self.comparator](granted, self.value)

    @property
    def keeps_out(self) -> bool:
        """Whether it is met by people who are not known: only those who do not meet it can be told to a vendor."""
        return self.comparator is Comparator.DOES_NOT_EXIST

    @property
    def group(self) -> "Requirement":
        """What everybody in the group meets that a vendor lets in, or keeps out, for this requirement."""
        return Requirement(name=self.name) if self.keeps_out else self

    def __str__(self) -> str:
        asked = ", ".join(map(str, sorted(set(self.value)))) if isinstance(self.value, list) else self.value
        return f"{self.name} {self.comparator}" + ("" if asked is None else f" {asked}")
