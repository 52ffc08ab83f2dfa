"""Named places where tests make a worker die, stall or sleep; they cost nothing when none is set.

``CROWDOPS_FAILPOINT=NAME:ACTION``, where ACTION is ``exit``, ``stop`` or ``sleep=SECONDS``, happens once in a
CROWDOPS_HOME: the first process that gets there takes it by creating the file ``failpoint-NAME:ACTION``. Several have
commas between them.
"""

import os
import signal
import threading
import time
from pathlib import Path

from models.settings import SettingsError, settings

NAMES = frozenset(
    {
        "after_plan",
        "after_claim",
        "before_send",
        "after_snapshot",
        "before_pay",
        "after_response",
        "after_record",
        "after_read",
        "after_portion",
    }
)


def _parse(spec: str) -> tuple[str, str, float]:
    name, _, action = spec.partition(":")
    verb, _, seconds = action.partition("=")
    if name not in NAMES or verb not in ("exit", "stop", "sleep"):
        raise SettingsError(f"CROWDOPS_FAILPOINT={spec!r}: want NAME:exit|stop|sleep=SECONDS, NAME of {sorted(NAMES)}.")
    return name, verb, float(seconds or 0)


def _taken(marker: Path) -> bool:
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return True
    return False


def hit(name: str) -> None:
    """Do what the first failpoint of this name says that was not hit yet; nothing if there is none."""
    for spec in _specs():
        if spec.startswith(f"{name}:") and not _taken(settings().home / f"failpoint-{spec}"):
            _do(spec)
            return


def validate() -> None:
    """Refuse a failpoint that could never be hit.

    Raises:
        SettingsError: the name or the action is not known.
    """
    for spec in _specs():
        _parse(spec)


def _specs() -> list[str]:
    return spec.split(",") if (spec := settings().failpoint) is not None else []


def _do(spec: str) -> None:
    _, verb, seconds = _parse(spec)
    if verb == "exit":
        os._exit(137)
    elif verb == "stop":
        # To this very thread: it would run on for a moment, were the signal for whichever thread takes it.
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
    else:
        time.sleep(seconds)
