"""Connections to vendors: a request goes out whole and once; a `Reply` comes back, or `Broken` says how far it got.

Every wait of an exchange ends at its one deadline, even if the server drips. Idle connections are kept per process, so
that a forked child never writes to its parent's.
"""

import atexit
import os
import select
import socket
import ssl
import time
from collections import defaultdict, deque
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from threading import Thread
from typing import Any

import httpcore

from providers.outcome import Broken, Reply, redacted

MAX_BODY = 10 * 1024 * 1024
KEEP_IDLE = 5.0
"""Seconds that a connection is kept for the next request: less than servers keep theirs."""
MAX_IDLE = 64
"""About how many idle connections are kept per vendor: as many as `Settings.concurrency` allows requests at a time."""


@dataclass(slots=True)
class _Exchange:
    """One request under way: when it must be over, and whether a byte of it may have left."""

    until: float
    written: bool = False

    def left(self) -> float:
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _Line(httpcore.NetworkStream):
    """A connected socket that waits no longer than the exchange that uses it."""

    def __init__(self, connected: socket.socket, exchange: _Exchange) -> None:
        self._socket = connected
        self.exchange = exchange

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - the exchange has its own
        self._socket.settimeout(self.exchange.left())
        return self._socket.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - the exchange has its own
        self._socket.settimeout(self.exchange.left())
        self.exchange.written = True
        self._socket.sendall(buffer)

    def close(self) -> None:
        self._socket.close()

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - the signature of httpcore
        """Whether something can be read: from an idle connection only its end."""
        if info != "is_readable":
            return None
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))


_Link = tuple[_Line, httpcore.HTTP11Connection]
_idle: defaultdict[tuple[int, str], deque[_Link]] = defaultdict(deque)


def exchange(request: httpcore.Request, deadline: float) -> Reply | Broken:
    """Send one request and read its whole answer within `deadline` seconds.

    Errors are returned and not raised, since one that is raised drags the request with its token along.
    """
    one = _Exchange(time.monotonic() + deadline)
    idle = _idle[os.getpid(), str(request.url.origin)]
    try:
        line, connection = _kept(idle, one) or _opened(request.url.origin, one)
        response = connection.handle_request(request)
        try:
            body = _body(response)
        finally:
            # It also closes a connection whose answer was not read to its end.
            response.close()
    except TimeoutError:
        return Broken(f"no {'whole answer' if one.written else 'connection'} within {deadline:g} s", one.written)
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
        # Once bytes went, the text may quote what came back.
        told = "" if one.written else redacted(str(error))
        return Broken(": ".join(filter(None, (type(error).__name__, told))), one.written)
    if body is None:
        return Broken(f"the answer is larger than {MAX_BODY} bytes", written=True)
    if connection.is_idle():
        _keep(idle, (line, connection))
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
    return Reply(response.status, headers, body)


def _body(response: httpcore.Response) -> bytes | None:
    """The body, or None as soon as it is larger than `MAX_BODY`."""
    parts = bytearray()
    for part in response.iter_stream():
        parts += part
        if len(parts) > MAX_BODY:
            return None
    return bytes(parts)


def _kept(idle: deque[_Link], one: _Exchange) -> _Link | None:
    """The idle connection that was used last, if the vendor has not closed it."""
    while idle:
        try:
            line, connection = idle.pop()
        except IndexError:
            # Another thread was faster.
            return None
        if not connection.has_expired():
            line.exchange = one
            return line, connection
        connection.close()
    return None


def _keep(idle: deque[_Link], link: _Link) -> None:
    """Keep a connection for the next request, and let go of the one that lies longest if it is of no use."""
    idle.append(link)
    with suppress(IndexError):
        oldest = idle.popleft()
        if len(idle) >= MAX_IDLE or oldest[1].has_expired():
            oldest[1].close()
        else:
            idle.appendleft(oldest)


@atexit.register
def _close() -> None:
    for (process, _), idle in _idle.items():
        while idle and process == os.getpid():
            idle.pop()[1].close()


def _opened(origin: httpcore.Origin, one: _Exchange) -> _Link:
    host = origin.host.decode("ascii")
    connected = _connected(host, origin.port, one)
    if origin.scheme == b"https":
        connected.settimeout(one.left())
        try:
            connected = _tls().wrap_socket(connected, server_hostname=host)
        except BaseException:
            connected.close()
            raise
    line = _Line(connected, one)
    return line, httpcore.HTTP11Connection(origin, line, keepalive_expiry=KEEP_IDLE)


def _connected(host: str, port: int, one: _Exchange) -> socket.socket:
    """Connect to the first address that answers; a dead one gets no more than a quarter of the time."""
    addresses = _resolved(host, port, one.left())
    patience = one.left() / 4
    for attempt, address in enumerate(addresses, start=1):
        try:
            connected = socket.create_connection(address, min(one.left(), patience))
        except OSError:
            if attempt == len(addresses):
                raise
        else:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connected
    raise OSError(f"{host} has no address")


def _resolved(host: str, port: int, patience: float) -> list[tuple[str, int]]:
    """The addresses of a host; the system's resolver takes no deadline, so it is waited for and left behind."""
    answer: Future[list[tuple[str, int]]] = Future()

    def resolve() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answer.set_result([(str(address[0]), port) for *_, address in found])
        except (OSError, UnicodeError) as error:
            answer.set_exception(error)

    Thread(target=resolve, name="crowdops-resolve", daemon=True).start()
    return answer.result(patience)


@cache
def _tls() -> ssl.SSLContext:
    return httpcore.default_ssl_context()
