"""Everything that happens by the clock, in one place; each entry may be doubled or dropped without harm."""

from typing import Any

from models.settings import settings


def entries() -> dict[str, dict[str, Any]]:
    """What beat sends. A message that nobody took before the next one is due expires."""
    timing = settings().timing
    return {
        "dispatch what is due": _every(timing.dispatch_every, "crowdops.dispatch"),
        "reconcile with the vendors": _every(timing.reconcile_every, "crowdops.reconcile"),
        "list everything once more": _every(timing.full_every, "crowdops.reconcile", full=True),
    }


def _every(seconds: float, task: str, **words: object) -> dict[str, Any]:
    return {
        "task": task,
        "schedule": seconds,
        "kwargs": words,
        "options": {"expires": max(2 * seconds, 2), "ignore_result": True},
    }
