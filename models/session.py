"""Hands out transactions on the shared database; the only way to a session.

It also knows whether the calling context has one open, so that the HTTP layer can refuse to call a vendor meanwhile.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

import psycopg
from psycopg.types.array import ListBinaryDumper
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.orm import Session

from models.settings import settings

UNSEEN = {"synchronize_session": False}
"""Execution options of a bulk statement whose rows are not looked at again in the session."""
_open: ContextVar[int] = ContextVar("crowdops_open_transactions", default=0)


class TransactionOpenError(RuntimeError):
    """A vendor was about to be called while a database transaction was open."""


#: A process that freezes in a transaction, or whose connection is half open, must not hold everybody's rows for ever.
_CONNECTION = {
    "connect_timeout": 5,
    "options": "-c idle_in_transaction_session_timeout=30s -c lock_timeout=20s",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


@lru_cache(maxsize=4)
def _engine_of(url: str, _pid: int) -> Engine:
    # Parameters hold workers' names, which have no place in an exception.
    made = create_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=True,
        pool_size=8,
        connect_args=_CONNECTION,
    )
    event.listen(made, "connect", _arrays_in_binary)
    return made


def _arrays_in_binary(connection: psycopg.Connection, _: object) -> None:
    """To write thousands of ids as text takes several times as long."""
    connection.adapters.register_dumper(list, ListBinaryDumper)


def engine() -> Engine:
    """The engine of this process; a forked child gets its own, because sockets must not be shared."""
    return _engine_of(settings().database(), os.getpid())


@contextmanager
def transaction() -> Iterator[Session]:
    """One transaction: committed when the block ends, rolled back when it raises."""
    token = _open.set(_open.get() + 1)
    try:
        with Session(engine(), expire_on_commit=False) as session, session.begin():
            yield session
    finally:
        _open.reset(token)


def assert_no_transaction() -> None:
    """Refuse to go on while this context has a transaction open.

    Raises:
        TransactionOpenError: always, when one is open: the caller has a bug.
    """
    if _open.get():
        raise TransactionOpenError("A vendor call was attempted inside a database transaction; commit first.")
