"""pytest-celery's containers as processes of this machine: its nodes drive these as they would drive Docker's.

A node asks its container for a name, a status, logs, signals and restarts; each is answered here by a process group.
"""

import os
import signal
import subprocess
import time
from pathlib import Path

import celery
from pytest_celery import CeleryTestContainer, CeleryWorkerContainer, RedisContainer
from redis import Redis

from cli import daemon, fleet, valkey
from models.settings import settings

PATIENCE = 60
"""Seconds until a process must be ready, on a machine that is busy with other tests."""


class Local:
    """What nodes ask of a container, where there is no Docker; `name` is its id as well."""

    def __init__(self, name):
        self._name = name

    @property
    def name(self):
        """How logs and messages call it."""
        return self._name

    @property
    def id(self):
        """Also the host's part of a worker's name."""
        return self._name

    def reload(self):
        """Docker's containers are described by a copy; here everything is read when it is asked for."""

    def ready(self):
        """Wait until the process says that it is; a process that ended instead is an error that shows its log."""
        deadline = time.monotonic() + PATIENCE
        while self.ready_prompt not in self.logs():
            assert self.status == "running", f"{self.name} ended: {self.logs()[-3000:]}"
            assert time.monotonic() < deadline, f"{self.name} is not ready: {self.logs()[-3000:]}"
            time.sleep(0.02)
        return True

    def restart(self, timeout=PATIENCE):  # noqa: ARG002 - the signature of Docker's
        """End what is left of it, start it, and wait until it is ready."""
        if self.status == "running":
            self.kill("SIGKILL")
        self.start()
        self.ready()

    def teardown(self):
        """Leave nothing running."""
        if self.status == "running":
            self.kill("SIGKILL")


class Process(Local):
    """One line of the Procfile, in a session of its own, so that a signal reaches its children too."""

    def __init__(self, name, line, home, extra=None, options=""):
        super().__init__(name)
        home.mkdir(parents=True, exist_ok=True)
        self.home, self._log = home, home / f"{name}.log"
        self._command = f"{fleet.commands()[line]} {options}"
        self._extra = (extra or {}) | {"CROWDOPS_HOME": str(home)}
        self._process, self._begins = None, 0

    def start(self):
        """Start it; `logs` tells of this start only."""
        with self._log.open("ab") as output:
            self._begins = output.tell()
            self._process = subprocess.Popen(  # noqa: S602 - a Procfile holds shell commands
                self._command,
                shell=True,
                cwd=fleet.checkout(),
                env=fleet.environment() | self._extra,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    @property
    def status(self):
        """In Docker's words."""
        return "running" if self._process is not None and self._process.poll() is None else "exited"

    def logs(self):
        """What it said since it was started last."""
        return self._log.read_bytes()[self._begins :].decode(errors="replace") if self._log.exists() else ""

    def kill(self, signal="SIGKILL"):
        """Signal the whole group; SIGKILL waits until nothing of it is left."""
        number = signal_number(signal)
        os.killpg(self._process.pid, number)
        if number == signal_number("SIGKILL"):
            self._process.wait()

    def children(self):
        """The pids of the processes that do the tasks."""
        pid = self._process.pid
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def signal_number(name):
    """Docker takes names and numbers."""
    return signal.Signals[name] if isinstance(name, str) else signal.Signals(name)


class Worker(Process, CeleryWorkerContainer):
    """The Procfile's worker."""

    ready_prompt = "ready."

    def __init__(self, name, home, extra=None):
        super().__init__(name, "worker", home, extra, f"-n {self.worker_name()}@{name}")

    @classmethod
    def worker_name(cls):
        """The first part of its name in Celery."""
        return "crowdops"

    @classmethod
    def version(cls):
        """Celery's."""
        return celery.__version__


class Beat(Process, CeleryTestContainer):
    """The Procfile's beat."""

    ready_prompt = "beat: Starting..."

    def __init__(self, name, home, extra=None):
        super().__init__(name, "beat", home, extra)


class Flower(Process, CeleryTestContainer):
    """The Procfile's Flower."""

    ready_prompt = "Visit me at"

    def __init__(self, name, home, extra=None):
        super().__init__(name, "flower", home, extra)


class Valkey(Local, RedisContainer):
    """The embedded Valkey, of which there is one a home."""

    ready_prompt = ""

    def start(self, *, empty=False):
        """Start it unless it runs, with what it held or with nothing."""
        valkey.start(empty=empty)
        return self

    @property
    def status(self):
        """In Docker's words."""
        return "running" if daemon.pid(valkey.NAME) else "exited"

    def logs(self):
        """Everything it ever said."""
        return daemon.log_of(valkey.NAME).read_text(errors="replace")

    def kill(self, signal="SIGKILL"):
        """End it as the signal says; SIGKILL is a crash."""
        valkey.stop(signal_number(signal))

    def teardown(self):
        """It belongs to the session's home, which stops it."""

    @property
    def client(self):
        """Somebody who reads and writes what it holds."""
        return Redis(unix_socket_path=str(settings().socket_dir / "valkey.sock"), decode_responses=True)

    @property
    def celeryconfig(self):
        """Where Celery finds it."""
        url = settings().broker()
        return {"url": url, "host_url": url}
