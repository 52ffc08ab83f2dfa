"""Which calls go wrong and how: rules and a seed go in, for each call a fault or none comes out.

A fault "before" hits a call that then has no effect; one "after" lets the effect happen and spoils the answer only.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from random import Random
from threading import Lock
from typing import Any

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
"""The kinds, and how often each comes when a rule says ``any``."""
SECONDS = {"delay": 1.0, "429_retry_after": 1.0, "hang_before": 60.0, "hang_after": 60.0}
"""How long, in real seconds, unless the rule says otherwise: a wait, or the value of Retry-After."""
WITHOUT_EFFECT = frozenset({"429", "429_retry_after", "500_before", "drop_before", "hang_before"})


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
    """One of `MIX`, or ``any``."""
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

    def draw(self, endpoint: str) -> Fault | None:
        """The fault for one call to `endpoint`, or None."""
        with self._lock:
            for rule in self.rules:
                if fnmatchcase(endpoint, rule.endpoint) and self._random.random() < rule.share:
                    return self._strike(rule)
        return None

    def shown(self) -> list[dict[str, Any]]:
        """The rules in force, as JSON."""
        with self._lock:
            return [asdict(rule) for rule in self.rules]

    def _strike(self, rule: Rule) -> Fault:
        if rule.times is not None:
            rule.times -= 1
            if rule.times == 0:
                self.rules.remove(rule)
        kind = rule.kind
        if kind == "any":
            (kind,) = self._random.choices(list(MIX), list(MIX.values()))
        return Fault(kind, SECONDS.get(kind, 0.0) if rule.seconds is None else rule.seconds)

    def _check(self, rule: Rule) -> None:
        if rule.kind != "any" and rule.kind not in MIX:
            raise ValueError(f"There is no fault {rule.kind!r}: use any, {', '.join(MIX)}.")
        if not any(fnmatchcase(name, rule.endpoint) for name in self._endpoints):
            raise ValueError(f"No endpoint matches {rule.endpoint!r}: use *, {', '.join(self._endpoints)}.")
        if not 0 <= rule.share <= 1:
            raise ValueError(f"A share lies between 0 and 1, not {rule.share}.")
        if (rule.times is not None and rule.times < 1) or (rule.seconds is not None and rule.seconds < 0):
            raise ValueError("A rule strikes once or more, and its seconds are not negative.")
