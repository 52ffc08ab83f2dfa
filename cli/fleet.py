"""The processes of the Procfile: their commands go in, running groups come out, each with a log of its own.

`up` hands them to honcho; the demonstration needs to kill and restart them, so it holds them here.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from honcho.environ import parse_procfile

from cli.failure import FailedError
from models.settings import settings

HOST = "127.0.0.1"
"""Where those of them listen that do."""
PATIENCE = 20
"""Seconds that a process may take to stop before it is killed."""


class FleetError(FailedError):
    """The processes cannot be run; the message says why and what to do."""


def checkout() -> Path:
    """The directory that holds the Procfile.

    Raises:
        FleetError: this is not a checkout.
    """
    root = Path(__file__).resolve().parent.parent
    if not (root / "Procfile").is_file():
        raise FleetError(f"There is no Procfile in {root}: run this from a checkout of crowdops.")
    return root


def commands() -> dict[str, str]:
    """Name and shell command of every process."""
    processes: dict[str, str] = dict(parse_procfile((checkout() / "Procfile").read_text()).processes)
    return processes


def environment() -> dict[str, str]:
    """What the processes inherit: this Python first on the path, and the same home whatever their directory."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path, "CROWDOPS_HOME": str(settings().home), "PYTHONUNBUFFERED": "1"}


def free_port(wanted: int) -> int:
    """The port that is wanted, or any other if somebody listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError:
            probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class Fleet:
    """Running processes, each the leader of its own group, so that a kill reaches its children too."""

    def __init__(self, extra: Mapping[str, str] | None = None) -> None:
        """Prepare; nothing is started."""
        self._extra = dict(extra or {})
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        """Start one process of the Procfile; what it prints is added to its log."""
        log = self.log(name)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._running[name] = subprocess.Popen(  # noqa: S602 - a Procfile holds shell commands
                commands()[name],
                shell=True,
                cwd=checkout(),
                env=environment() | self._extra,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def log(self, name: str) -> Path:
        """Where a process writes."""
        return settings().home / "logs" / f"{name}.log"

    def died(self) -> list[str]:
        """Processes that ended by themselves."""
        return [name for name, process in self._running.items() if process.poll() is not None]

    def kill(self, name: str) -> int:
        """End a process and its children at once, as a power cut would; returns its pid."""
        process = self._running.pop(name)
        _signal(process, signal.SIGKILL)
        process.wait()
        return process.pid

    def stop(self) -> None:
        """End everything, kindly first."""
        for process in self._running.values():
            _signal(process, signal.SIGTERM)
        for process in self._running.values():
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                _signal(process, signal.SIGKILL)
                process.wait()
        self._running.clear()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.poll() is None:
        os.killpg(process.pid, number)
