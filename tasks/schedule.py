"""Everything that happens by the clock, in one place; each entry may be doubled or dropped without harm."""

from typing import Any

from models.settings import settings


def entries() -> dict[str, dict[str, Any]]:
    """What beat sends."""
    timing = settings().timing
    return {
        "dispatch what is due": _every(timing.dispatch_every, "crowdops.dispatch"),
        "reconcile with the vendors": _every(timing.reconcile_every, "crowdops.reconcile"),
        "compare payments": _every(timing.audit_every, "crowdops.audit"),
        "list everything once more": _every(timing.full_every, "crowdops.reconcile", full=True),
    }


def _every(seconds: float, task: str, **words: object) -> dict[str, Any]:
    return {
        "task": task,
        "schedule": seconds,
        "kwargs": words,
        "options": {"expires": expiry(seconds), "ignore_result": True},
    }


def expiry(seconds: float) -> float:
    """How long a message of something that comes every so often is worth taking.

    Celery compares the publisher's wall clock with the worker's, so it must be longer than clocks differ; more
    messages than needed do no harm.
    """
    return max(seconds, settings().timing.visibility)
