"""Which calls go wrong and how: rules and a seed go in, for each call a fault or none comes out.

A fault "before" hits a call that then has no effect; one "after" lets the effect happen and spoils the answer only.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from random import Random
from threading import Lock
from typing import Any

from providers.prolific.simulator.garbage import GARBAGE
from providers.prolific.simulator.reading import LATER_PAGES, MISREADS, applicable

MIX = {
    "429": 2.0,
    "429_retry_after": 2.0,
    "500_before": 2.0,
    "500_after": 2.0,
    "drop_before": 2.0,
    "drop_after": 2.0,
    "delay": 1.0,
    "hang_before": 0.5,
    "hang_after": 0.5,
}
"""The kinds, and how often each comes when a rule says ``any``; ``misread`` is any kind of `MISREADS`."""
OTHER_SHAPE = "other_shape"
"""An error comes bare where the document nests it, or nested where it is bare."""
NEVER_DONE = "never_done"
"""A payment of bonuses is accepted and never carried out."""
SECONDS = {"delay": 1.0, "429_retry_after": 1.0, "hang_before": 60.0, "hang_after": 60.0, "list_stale": 60.0}
"""How long unless the rule says otherwise: a wait or the value of Retry-After in real seconds, an age in virtual ones.
"""
WITHOUT_EFFECT = frozenset(
    {"429", "429_retry_after", "500_before", "drop_before", "hang_before"}
    | {kind for kind in GARBAGE if kind.endswith("_before")}
)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done to one call."""

    kind: str
    seconds: float


@dataclass(slots=True)
class Rule:
    """Some calls to the endpoints that match get a fault."""

    endpoint: str
    """A name such as ``PATCH studies/{id}/``, or a pattern such as ``POST *`` or ``*``."""
    kind: str
    """One of `MIX`, `MISREADS` or `GARBAGE`, `OTHER_SHAPE`, `NEVER_DONE`, or one of several.

    Those are ``any``, ``misread``, ``garbage``, and ``list_shifts`` (of `LATER_PAGES`).
    """
    share: float = 1.0
    """The share of the calls, from 0 to 1."""
    times: int | None = None
    """The rule is used up after so many faults; None means never."""
    seconds: float | None = None


class Faults:
    """The rules in force; the first that strikes decides."""

    def __init__(self, random: Random, endpoints: Iterable[str]) -> None:
        """Draw from `random`; `endpoints` are the names that rules may speak of."""
        self._random = random
        self._endpoints = tuple(endpoints)
        self._lock = Lock()
        self.rules: list[Rule] = []

    def set(self, rules: Sequence[Rule]) -> None:
        """Let these be all the rules there are.

        Raises:
            ValueError: a rule makes no sense.
        """
        for rule in rules:
            self._check(rule)
        with self._lock:
            self.rules = list(rules)

    def next(self, endpoint: str, kind: str, times: int = 1, seconds: float | None = None) -> None:
        """Let the next `times` calls to `endpoint` get this fault, before any other rule is asked.

        Raises:
            ValueError: there is no such endpoint or kind.
        """
        rule = Rule(endpoint, kind, times=times, seconds=seconds)
        self._check(rule)
        with self._lock:
            self.rules.insert(0, rule)

    def draw(self, endpoint: str, page: int = 1) -> Fault | None:
        """The fault for one call to `endpoint`, which may ask for a page of a listing; or None."""
        with self._lock:
            for rule in self.rules:
                kinds = _kinds(rule.kind, endpoint, page)
                if kinds and fnmatchcase(endpoint, rule.endpoint) and self._random.random() < rule.share:
                    return self._strike(rule, kinds)
        return None

    def shown(self) -> list[dict[str, Any]]:
        """The rules in force, as JSON."""
        with self._lock:
            return [asdict(rule) for rule in self.rules]

    def _strike(self, rule: Rule, kinds: dict[str, float]) -> Fault:
        if rule.times is not None:
            rule.times -= 1
            if rule.times == 0:
                self.rules.remove(rule)
        (kind,) = kinds if len(kinds) == 1 else self._random.choices(list(kinds), list(kinds.values()))
        return Fault(kind, SECONDS.get(kind, 0.0) if rule.seconds is None else rule.seconds)

    def _check(self, rule: Rule) -> None:
        groups = ("any", "misread", "garbage", "list_shifts")
        known = (*groups, OTHER_SHAPE, NEVER_DONE, *MIX, *MISREADS, *GARBAGE)
        if rule.kind not in known:
            raise ValueError(f"There is no fault {rule.kind!r}: use {', '.join(known)}.")
        meant = [name for name in self._endpoints if _kinds(rule.kind, name, page=2)]
        if not any(fnmatchcase(name, rule.endpoint) for name in meant):
            raise ValueError(f"No endpoint matches {rule.endpoint!r}: use *, {', '.join(meant)}.")
        if not 0 <= rule.share <= 1:
            raise ValueError(f"A share lies between 0 and 1, not {rule.share}.")
        if (rule.times is not None and rule.times < 1) or (rule.seconds is not None and rule.seconds < 0):
            raise ValueError("A rule strikes once or more, and its seconds are not negative.")


def _kinds(kind: str, endpoint: str, page: int) -> dict[str, float]:
    """What a rule's kind may become on one call, and how often."""
    match kind:
        case "any":
            return MIX
        case "misread":
            wanted = list(MISREADS)
        case "garbage":
            wanted = list(GARBAGE)
        case "list_shifts":
            wanted = list(LATER_PAGES)
        case _:
            wanted = [kind]
    return {one: 1.0 for one in wanted if one not in MISREADS or applicable(one, endpoint, page)}
