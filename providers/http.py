"""The only way out: one request goes in, one parsed JSON answer comes out, or a `ProviderError` that says what to do.

No redirect, no retry, no cookie, no proxy of the environment; a total deadline and a size limit hold whatever the
vendor does.
"""

import asyncio
import os
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from threading import Lock, Thread
from typing import Any

import httpx
from pydantic import SecretStr

from models.clock import stopwatch
from models.session import assert_no_transaction
from models.settings import settings
from providers.errors import ProviderError
from providers.outcome import Answer, Broken, Reply, outcome, redacted

MAX_BODY = 10 * 1024 * 1024
LIMITS = httpx.Limits(max_connections=64, max_keepalive_connections=16, keepalive_expiry=5)
"""An idle connection is dropped before servers usually drop theirs, so that few requests meet a closed one."""
_making = Lock()
_latest: ContextVar[float | None] = ContextVar("crowdops_send_before", default=None)
_until: ContextVar[float | None] = ContextVar("crowdops_answer_until", default=None)
_NOT_WRITTEN = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


@contextmanager
def not_after(moment: float) -> Iterator[None]:
    """Let no request of this context begin once `stopwatch` shows more than `moment`: its sender is held for dead."""
    token = _latest.set(moment)
    try:
        yield
    finally:
        _latest.reset(token)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let all requests of this context together take no longer: somebody waits for what comes of them."""
    moment = stopwatch() + seconds
    token = _until.set(moment)
    try:
        with not_after(moment):
            yield
    finally:
        _until.reset(token)


def call(
    method: str,
    url: str,
    *,
    authorization: SecretStr,
    params: Mapping[str, str | int] | None = None,
    json: object = None,
) -> Answer:
    """Send one request and wait for its answer, at most `Timing.http_deadline` seconds in all. Thread-safe.

    Inside of `within` it may be less.

    Args:
        method: The HTTP verb.
        url: Absolute and without a query; neither a secret nor a worker id belongs in it.
        authorization: The whole value of the ``Authorization`` header.
        params: The query.
        json: The body, or None for none.

    Raises:
        NotSentError: nothing was written: no connection, or a failed TLS handshake.
        ThrottledError: 429.
        AccountError: 401 or 403.
        RejectedError: another well-formed 4xx (`providers.outcome.NotFoundError` for 404).
        UnknownError: anything else: the effect may have happened.
        TransactionOpenError: the caller has a database transaction open.
    """
    assert_no_transaction()
    until = _until.get()
    deadline = settings().timing.http_deadline
    if until is not None:
        deadline = min(deadline, max(0.0, until - stopwatch()))
    headers = {
        "Accept": "application/json",
        # A compressed body could unpack to any size in one step, past the limit.
        "Accept-Encoding": "identity",
        "Authorization": authorization.get_secret_value(),
        "User-Agent": "crowdops",
    }
    # A connection must stand after half the time, so that a deadline that passes later is known to be "perhaps sent".
    phases = {"timeout": httpx.Timeout(deadline, connect=deadline / 4, pool=deadline / 4).as_dict()}
    request = httpx.Request(method, url, params=params, json=json, headers=headers, extensions=phases)
    got = _wait_for(_exchange(request, deadline, _latest.get()))
    # Nothing is left to show of what was deleted.
    result = outcome(f"{method} {redacted(request.url.path)}", got, bare=method == "DELETE")
    if isinstance(result, ProviderError):
        raise result
    return result


def _wait_for(exchange: Coroutine[Any, Any, Reply | Broken]) -> Reply | Broken:
    """Run on this process's loop; whatever interrupts the wait also ends the request."""
    loop, _ = _channel(os.getpid())
    future = asyncio.run_coroutine_threadsafe(exchange, loop)
    try:
        return future.result()
    except CancelledError:
        return Broken("interrupted", written=True)
    except BaseException:
        future.cancel()
        raise


def _channel(pid: int) -> tuple[asyncio.AbstractEventLoop, httpx.AsyncHTTPTransport]:
    """The one loop of this process; two first callers at once must not make one each, and mix their connections."""
    with _making:
        return _channel_of(pid)


@lru_cache(maxsize=1)
def _channel_of(_pid: int) -> tuple[asyncio.AbstractEventLoop, httpx.AsyncHTTPTransport]:
    """A loop in a thread of its own and its connections; a forked child makes its own, as sockets must not be shared.

    The bare transport has no redirects, cookies, retries or proxies that could be left on by mistake.
    """
    loop = asyncio.new_event_loop()
    Thread(target=loop.run_forever, name="crowdops-http", daemon=True).start()
    return loop, httpx.AsyncHTTPTransport(limits=LIMITS, trust_env=False)


async def _exchange(request: httpx.Request, deadline: float, latest: float | None) -> Reply | Broken:
    """Errors are returned and not raised, since one that is raised drags the request with its token along."""
    _, transport = _channel(os.getpid())
    if latest is not None and stopwatch() > latest:
        return Broken("the worker stalled before it was sent", written=False)
    try:
        async with asyncio.timeout(deadline):
            response = await transport.handle_async_request(request)
            try:
                body = await _body(response)
            finally:
                await response.aclose()
    except TimeoutError:
        return Broken(f"no whole answer within {deadline:g} s", written=True)
    except _NOT_WRITTEN as error:
        return Broken(f"{type(error).__name__}: {redacted(str(error))}", written=False)
    except (httpx.HTTPError, httpx.StreamError) as error:
        # The text may quote what came back.
        return Broken(type(error).__name__, written=True)
    if body is None:
        return Broken(f"the answer is larger than {MAX_BODY} bytes", written=True)
    return Reply(response.status_code, dict(response.headers), body)


async def _body(response: httpx.Response) -> bytes | None:
    """The body, or None as soon as it is larger than `MAX_BODY`."""
    parts = bytearray()
    async for part in response.aiter_raw():
        parts += part
        if len(parts) > MAX_BODY:
            return None
    return bytes(parts)
