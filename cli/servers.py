"""The embedded servers as a whole: a command enters `embedded()` and finds Postgres and Valkey running.

They belong to the checkout, not to a command: whoever comes first starts them, and whoever leaves last stops them.
"""

import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from kombu import Connection
from kombu.exceptions import KombuError
from redis import RedisError
from sqlalchemy import NullPool, create_engine
from sqlalchemy.exc import SQLAlchemyError

from cli import address, daemon, place, postgres, valkey
from models.settings import settings
from providers import installed


@dataclass(frozen=True, slots=True)
class Status:
    """One server as a doctor sees it; `where` never holds a password."""

    name: str
    running: bool
    version: str | None
    where: str
    pid: int | None


@contextmanager
def embedded() -> Iterator[None]:
    """Have the servers that the environment does not name running, at least until the block ends.

    Raises:
        ServerError: a server cannot be started; the message holds the end of its log.
        SettingsError: the address of another cannot be used.
    """
    address.check()
    # A row is of its vendor's class, which knows the vendor's rules, only if that is loaded before the row.
    installed()
    starts = [
        start
        for start, named in ((postgres.start, settings().database_url), (valkey.start, settings().broker_url))
        if named is None
    ]
    if not starts:
        yield
        return
    place.prepare()
    with (settings().home / "locks" / "users").open("w") as users:
        try:
            with _turn():
                fcntl.flock(users, fcntl.LOCK_SH)
                for start in starts:
                    start()
            yield
        finally:
            with _turn():
                _leave(users.fileno())


@contextmanager
def _turn() -> Iterator[None]:
    """Nobody else of this checkout starts or stops servers meanwhile."""
    with (settings().home / "locks" / "turn").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _leave(users: int) -> None:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        valkey.stop()
        postgres.stop()
        shutil.rmtree(settings().socket_dir)
    except BlockingIOError:
        return  # Somebody still uses them, and stops them later.
    finally:
        # Said aloud, because a forked child may still have the file open.
        fcntl.flock(users, fcntl.LOCK_UN)


def status() -> list[Status]:
    """How the database and the broker are; nothing is started."""
    return [
        _named(postgres.NAME, "CROWDOPS_DATABASE_URL", _database_version)
        if settings().database_url
        else _embedded(postgres.NAME, postgres.version),
        _named(valkey.NAME, "CROWDOPS_BROKER_URL", _broker_version)
        if settings().broker_url
        else _embedded(valkey.NAME, valkey.version),
    ]


def _embedded(name: str, version: Callable[[], str | None]) -> Status:
    pid = daemon.pid(name)
    found = version() if pid else None
    return Status(name, found is not None, found, str(settings().socket_dir), pid)


def _named(name: str, variable: str, version: Callable[[], str]) -> Status:
    try:
        return Status(name, running=True, version=version(), where=variable, pid=None)
    except (SQLAlchemyError, KombuError, RedisError):
        return Status(name, running=False, version=None, where=variable, pid=None)


def _database_version() -> str:
    engine = create_engine(settings().database(), poolclass=NullPool, connect_args={"connect_timeout": 5})
    with engine.connect() as connection:
        return str(connection.exec_driver_sql("SHOW server_version").scalar_one())


def _broker_version() -> str:
    with Connection(settings().broker(), transport_options={"socket_timeout": 5}) as connection:
        facts = connection.channel().client.info("server")
    return str(facts.get("valkey_version") or facts["redis_version"])
