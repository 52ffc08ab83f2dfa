"""The web process: the port that the environment wants goes in, a free one and its address come out."""

import os
import time
import urllib.request

from cli.failure import FailedError
from cli.fleet import HOST, free_port
from models.settings import settings

PATIENCE = 30
"""Seconds that the web process may take to answer."""


def port() -> int:
    """Let the web process listen on the port that is wanted, or on any other if nobody outside was told of that one.

    Raises:
        FailedError: somebody listens where it is to answer for CROWDOPS_WEB_URL.
    """
    wanted = settings().web_port
    found = free_port(wanted)
    if found != wanted and settings().web_url is not None:
        raise FailedError(
            f"Somebody listens on port {wanted}, where the web process is to answer for CROWDOPS_WEB_URL. "
            "End it, or set CROWDOPS_WEB_PORT to another port and lead that address there."
        )
    os.environ["CROWDOPS_WEB_PORT"] = str(found)
    settings.cache_clear()
    return found


def address() -> str:
    """Where it is reached on this machine."""
    return f"http://{HOST}:{settings().web_port}"


def wait() -> None:
    """Come back once the web process answers.

    Raises:
        FailedError: it does not.
    """
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"{address()}/healthz", timeout=5):  # noqa: S310 - our own process
                return
        except OSError:
            time.sleep(0.1)
    raise FailedError(f"The web process does not answer; see {settings().home / 'logs' / 'web.log'}.")
