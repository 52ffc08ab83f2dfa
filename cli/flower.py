"""Where the Flower of this home listens: a port that is free is taken for it, and whoever looks for it learns which."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli import place
from cli.failure import FailedError
from cli.fleet import free_port
from models.settings import settings

HOST = "127.0.0.1"
VARIABLE = "CROWDOPS_FLOWER_PORT"


@contextmanager
def reserved() -> Iterator[None]:
    """Let the processes that are started in the block be this home's only ones, their Flower on a port that is free.

    Raises:
        FailedError: others are running.
    """
    place.make_home()
    with _note().open("a+") as note:
        try:
            fcntl.flock(note, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FailedError(
                f"Worker, beat and Flower of {settings().home} are running already. "
                "Use those, or end them, or set CROWDOPS_HOME to another directory."
            ) from None
        try:
            os.environ[VARIABLE] = str(free_port(settings().flower_port))
            settings.cache_clear()
            note.truncate(0)
            note.write(os.environ[VARIABLE])
            note.flush()
            yield
        finally:
            # Said aloud, because a forked child may still have the file open.
            fcntl.flock(note, fcntl.LOCK_UN)


def port() -> int:
    """The port of the Flower that runs in this home, or the one that the settings want."""
    try:
        with _note().open() as note:
            fcntl.flock(note, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(_note().read_text() or settings().flower_port)
    except FileNotFoundError:
        pass
    return settings().flower_port


def address() -> str:
    """The same as what a browser wants."""
    return f"http://{HOST}:{port()}"


def _note() -> Path:
    """Locked while the processes run, and then it holds the port."""
    return settings().home / "locks" / "flower"
