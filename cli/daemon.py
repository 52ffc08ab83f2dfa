"""A server that outlives its starter: a name and a command go in; whether it runs, its pid and its log come out.

A running server holds the lock on `<home>/locks/<name>`, which it inherits, and the kernel gives it up with the last of
its processes. So nothing that a crash leaves behind is ever mistaken for a running server.
"""

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from cli.place import ServerError, identity
from models.settings import settings

_children: list[subprocess.Popen[bytes]] = []


def log_of(name: str) -> Path:
    """The file that holds what the server says."""
    return settings().home / "logs" / f"{name}.log"


def pid(name: str) -> int | None:
    """The process id of the server; None if no process of it is left."""
    for child in _children:
        child.poll()  # A server of ours that has ended is reaped here.
    try:
        with _lock_file(name).open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read() or 0) or None
    except FileNotFoundError:
        pass
    return None


def spawn(name: str, command: Sequence[str | Path], cwd: Path, stdin: IO[str] | int = subprocess.DEVNULL) -> None:
    """Start the server, away from our terminal.

    Raises:
        ServerError: processes of an earlier run are still there.
    """
    with _lock_file(name).open("a+") as lock, log_of(name).open("a") as log:
        until(name, lambda: _locked(lock.fileno()), "was not started: an earlier run of it has not ended")
        lock.truncate(0)
        child = subprocess.Popen(  # noqa: S603 - our own command line, no shell
            [str(word) for word in command],
            cwd=cwd,
            stdin=stdin,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=[lock.fileno()],
            **identity(),
        )
        lock.write(str(child.pid))
        _children.append(child)


def stop(name: str, how: signal.Signals) -> None:
    """Send the signal and wait until no process of the server is left; nothing happens if none runs.

    Raises:
        ServerError: it is still there after half a minute.
    """
    running = pid(name)
    if running:
        os.kill(running, how)
        until(name, lambda: pid(name) is None, f"(pid {running}) does not stop")


def until(name: str, condition: Callable[[], bool], failure: str, seconds: float = 30) -> None:
    """Wait for a condition of the server.

    Raises:
        ServerError: it did not come true in time; the message ends with the last lines of the log.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise failed(name, failure)
        time.sleep(0.01)


def until_ready(name: str, answers: Callable[[], bool]) -> None:
    """Wait for the server's first answer.

    Raises:
        ServerError: it ended, or it gave no answer in time.
    """

    def answered_or_ended() -> bool:
        return answers() or pid(name) is None

    until(name, answered_or_ended, f"(pid {pid(name)}) does not answer")
    if pid(name) is None:
        raise failed(name, "ended as soon as it was started")


def failed(name: str, what: str) -> ServerError:
    """The error to raise, with the end of the log."""
    log = log_of(name)
    lines = log.read_text(errors="replace").splitlines()[-12:] if log.exists() else []
    return ServerError("\n  ".join([f"The embedded {name} {what}. The end of its log, {log}:", *lines]))


def _lock_file(name: str) -> Path:
    return settings().home / "locks" / name


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
