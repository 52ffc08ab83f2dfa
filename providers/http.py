"""The only way out: one request goes in, one parsed JSON answer comes out, or a `ProviderError` that says what to do.

No redirect, no retry, no cookie, no proxy of the environment; a total deadline and a size limit hold whatever the
vendor does.
"""

from collections.abc import Mapping
from json import dumps
from urllib.parse import urlencode, urlsplit

import httpcore
from pydantic import SecretStr

from models.session import assert_no_transaction
from models.settings import settings
from providers.errors import ProviderError
from providers.outcome import Answer, outcome, redacted
from providers.wire import exchange


def call(
    method: str,
    url: str,
    *,
    authorization: SecretStr,
    params: Mapping[str, str | int] | None = None,
    json: object = None,
) -> Answer:
    """Send one request and wait for its answer, at most `Timing.http_deadline` seconds in all. Thread-safe.

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
    parts = urlsplit(url)
    headers: dict[bytes | str, bytes | str] = {
        "Host": parts.netloc,
        "Accept": "application/json",
        # A compressed body could unpack to any size in one step, past the limit.
        "Accept-Encoding": "identity",
        "Authorization": authorization.get_secret_value(),
        "User-Agent": "crowdops",
    }
    body = b""
    if json is not None:
        body = dumps(json, ensure_ascii=False, allow_nan=False).encode()
        headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    target = f"{url}?{urlencode(params)}" if params else url
    request = httpcore.Request(method, target, headers=headers, content=body)
    result = outcome(f"{method} {redacted(parts.path)}", exchange(request, settings().timing.http_deadline))
    if isinstance(result, ProviderError):
        raise result
    return result
