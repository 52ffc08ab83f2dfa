"""The only way out: one request goes in, one parsed JSON answer comes out, or a `ProviderError` that says what to do.

No redirect, no retry, no cookie, no proxy of the environment; a total deadline and a size limit hold whatever the
vendor does. Requests of all threads share one event loop and its connections; a forked child makes its own.
"""

import asyncio
import os
import threading
from collections.abc import Mapping
from functools import cache
from typing import Any

import httpx
from pydantic import SecretStr

from models.session import assert_no_transaction
from models.settings import settings
from providers.errors import ProviderError
from providers.outcome import Answer, Broken, Reply, outcome, redacted

MAX_BODY = 10 * 1024 * 1024
MAX_CONNECTIONS = 64
"""As many as `Settings.concurrency` allows, so that no request of a task waits for a connection."""

_making = threading.Lock()
os.register_at_fork(before=_making.acquire, after_in_parent=_making.release, after_in_child=_making.release)


def call(
    method: str,
    url: str,
    *,
    authorization: SecretStr,
    params: Mapping[str, str | int] | None = None,
    json: object = None,
) -> Answer:
    """Send one request and wait for its answer, at most `Timing.http_deadline` seconds in all.

    Args:
        method: The HTTP verb.
        url: Absolute; a secret or a worker id does not belong in its path.
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
    headers = {
        "Accept": "application/json",
        # A compressed body could unpack to any size in one step, past the limit.
        "Accept-Encoding": "identity",
        "Authorization": authorization.get_secret_value(),
        "User-Agent": "crowdops",
    }
    request = httpx.Request(method, url, params=params, json=json, headers=headers)
    result = outcome(f"{method} {redacted(request.url.path)}", _wait_for(request, settings().timing.http_deadline))
    if isinstance(result, ProviderError):
        raise result
    return result


def _wait_for(request: httpx.Request, deadline: float) -> Reply | Broken:
    with _making:
        loop, transport = _channel(os.getpid())
    pending = asyncio.run_coroutine_threadsafe(_exchange(transport, request, deadline), loop)
    try:
        return pending.result()
    except BaseException:
        # A time limit of the task interrupts the wait; the request must not outlive it.
        pending.cancel()
        raise


@cache
def _channel(_pid: int) -> tuple[asyncio.AbstractEventLoop, httpx.AsyncHTTPTransport]:
    """The loop and the connections of this process.

    A transport rather than a client: it has no redirects, no cookie jar that would mix accounts, and logs no URL.
    """
    loop = asyncio.new_event_loop()
    limits = httpx.Limits(
        max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS, keepalive_expiry=5
    )
    transport = httpx.AsyncHTTPTransport(retries=0, trust_env=False, limits=limits)
    threading.Thread(target=loop.run_forever, name="crowdops-http", daemon=True).start()
    return loop, transport


async def _exchange(transport: httpx.AsyncHTTPTransport, request: httpx.Request, deadline: float) -> Reply | Broken:
    """Errors are returned, not raised: an exception of httpx holds the request with its token."""
    written = False

    async def notice(event: str, _details: Mapping[str, Any]) -> None:
        nonlocal written
        # Only the events of connecting come before the first byte of the request.
        written = written or not event.startswith("connection.")

    # Phases of connecting end by themselves, before the deadline: one that is cancelled leaves its socket open.
    request.extensions |= {"trace": notice, "timeout": {"pool": deadline / 4, "connect": deadline / 4}}
    try:
        async with asyncio.timeout(deadline):
            response = await transport.handle_async_request(request)
            try:
                body = await _body(response)
            finally:
                await response.aclose()
    except TimeoutError:
        return Broken(f"no whole answer within {deadline:g} s", written)
    except (httpx.HTTPError, OSError) as error:
        # Once bytes went, the text may quote what came back.
        told = "" if written else redacted(str(error))
        return Broken(": ".join(filter(None, (type(error).__name__, told))), written)
    if body is None:
        return Broken(f"the answer is larger than {MAX_BODY} bytes", written)
    return Reply(response.status_code, {name.lower(): value for name, value in response.headers.items()}, body)


async def _body(response: httpx.Response) -> bytes | None:
    """The body, or None as soon as it is larger than `MAX_BODY`."""
    parts = bytearray()
    async for part in response.aiter_raw():
        parts += part
        if len(parts) > MAX_BODY:
            return None
    return bytes(parts)
