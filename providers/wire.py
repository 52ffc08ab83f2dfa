"""Connections to vendors: one request goes out whole and once, a whole `Reply` comes back, or `Broken` says how far it got.

Every wait of an exchange ends at one deadline, against a server that drips as well. Idle connections are kept per
process, so that a forked child never writes to its parent's.
"""

import os
import socket
import ssl
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from functools import cache
from threading import Thread
from typing import Any

import httpcore

from providers.outcome import Broken, Reply, redacted

MAX_BODY = 10 * 1024 * 1024
_KEEP_IDLE = 5.0
"""Seconds that a connection is kept for the next request; less than servers keep theirs."""
_FAULTS = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException)

_Link = tuple["_Line", httpcore.HTTP11Connection]
_idle: defaultdict[tuple[int, str], deque[_Link]] = defaultdict(lambda: deque(maxlen=64))


class _Line(httpcore.NetworkStream):
    """A connected socket; `written` says whether a byte of the current request may have left."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self.until = 0.0
        self.written = False

    def begin(self, until: float) -> None:
        self.until, self.written = until, False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - ours is `until`
        self._socket.settimeout(_left(self.until))
        return self._socket.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - ours is `until`
        self._socket.settimeout(_left(self.until))
        self.written = True
        self._socket.sendall(buffer)

    def close(self) -> None:
        self._socket.close()

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - the signature of httpcore
        """Only what tells whether an idle connection was closed by the vendor."""
        if info != "is_readable":
            return None
        self._socket.settimeout(0)
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        return True
