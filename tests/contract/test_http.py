"""The HTTP layer against servers that misbehave: the class of outcome is right, and the deadline holds, always."""

import logging
import multiprocessing
import os
import signal
import socket
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import SecretStr

from models.session import TransactionOpenError, _open
from models.settings import settings
from providers import http
from providers.errors import AccountError, NotSentError, ProviderError, RejectedError, ThrottledError, UnknownError
from tests.contract.faulty import answering, dripping, hanging, page, resetting, server

SHORT = 0.6
SLACK = 3.0
"""Far less than the endless servers of these tests would take, far more than a busy machine adds."""
TOKEN = SecretStr("Token s3cr3t")
WORKER = "60bf9310e8dec401be6e9615"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
NO = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 17\r\n\r\n"


@pytest.fixture(autouse=True)
def deadline(monkeypatch):
    """A function that sets the total deadline in seconds; long enough for any answer unless a test says otherwise."""

    def within(seconds):
        monkeypatch.setenv("CROWDOPS_TIMING__HTTP_DEADLINE", str(seconds))
        settings.cache_clear()

    within(10)
    yield within
    settings.cache_clear()


def call(url, method="POST", path="/api/v1/submissions/", body=None):
    return http.call(method, url + path, authorization=TOKEN, params={"worker": WORKER}, json=body or {"who": WORKER})


UNREADABLE = {
    "closes without a word": answering(),
    "resets": resetting,
    "hangs": hanging,
    "drips its header": dripping(b"HTTP/1.1 200 OK\r\nX-Slow: "),
    "drips its body": dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"),
    "drips chunks": answering(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *(b"1\r\n1\r\n",) * 1000, every=0.05
    ),
    "drips interim answers": answering(*(b"HTTP/1.1 103 Early Hints\r\n\r\n",) * 1000, every=0.05),
    "is no HTTP": answering(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    "cuts its header": answering(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "cuts its body": answering(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}"),
    "cuts its chunks": answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"),
    "cuts valid JSON of a closing answer": answering(b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"results": [1'),
    "sends an endless header": answering(b"HTTP/1.1 200 OK\r\nX: ", *(b"x" * 65536,) * 1000),
    "sends a huge body": answering(b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"', *(b"x" * 65536,) * 200, b'"'),
    "announces a huge body": answering(
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", *(b" " * 65536,) * 400
    ),
    "compresses unasked": answering(page(200, b"\x1f\x8b\x08\x00", b"Content-Encoding: gzip")),
    "sends HTML": answering(page(200, b"<html></html>")),
    "sends a key twice": answering(page(200, b'{"id": 1, "id": 2}')),
    "fails": answering(page(500, b"{}")),
    "is in maintenance": answering(page(503, b"{}", b"Retry-After: 5")),
    "refuses unreadably": answering(page(400, b"<html></html>")),
}


@pytest.mark.parametrize("behave", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_no_readable_answer_is_unknown_within_the_deadline_and_is_sent_once(behave, deadline):
    deadline(SHORT)
    with server(behave) as (url, requests):
        started = time.monotonic()
        with pytest.raises(UnknownError):
            call(url)
        assert time.monotonic() - started < SHORT + SLACK
    assert len(requests) == 1


def test_requests_that_somebody_waits_for_share_one_deadline():
    started = time.monotonic()
    with server(hanging) as (url, requests), http.within(SHORT):
        for error in (UnknownError, NotSentError):
            with pytest.raises(error):
                call(url)
    assert time.monotonic() - started < SHORT + SLACK
    assert len(requests) == 1


def test_a_server_closing_an_idle_connection_does_not_make_the_next_request_unknown():
    idle, closed = threading.Semaphore(0), threading.Semaphore(0)

    def answer_and_close(connection, _stopping):
        connection.sendall(OK)
        idle.acquire(timeout=5)
        connection.close()
        closed.release()
        return True

    with server(answer_and_close) as (url, requests):
        for _ in range(5):
            assert call(url).status == 200
            idle.release()
            assert closed.acquire(timeout=5)
    assert len(requests) == 5


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_unknown_and_is_not_followed(status):
    with server(answering(OK)) as (elsewhere, followed):
        moved = answering(page(status, b"", b"Location: " + elsewhere.encode()))
        with server(moved) as (url, requests), pytest.raises(UnknownError):
            call(url, method="GET")
        assert (len(requests), followed) == (1, [])


def test_a_refused_connection_is_not_sent():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NotSentError, match="nothing reached the vendor"):
        call(f"http://127.0.0.1:{port}")


def test_a_name_that_does_not_resolve_is_not_sent():
    with pytest.raises(NotSentError):
        call("http://vendor.invalid")


def test_a_connection_that_is_never_accepted_is_not_sent(deadline):
    deadline(SHORT)
    with socket.socket() as listener, socket.socket() as filler:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        filler.connect(listener.getsockname())
        started = time.monotonic()
        with pytest.raises(NotSentError, match="nothing reached the vendor"):
            call(f"http://127.0.0.1:{listener.getsockname()[1]}")
        assert time.monotonic() - started < SHORT + SLACK


def test_a_failed_or_silent_tls_handshake_is_not_sent(deadline):
    deadline(SHORT)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with pytest.raises(NotSentError):
            call(f"https://127.0.0.1:{silent.getsockname()[1]}")
        talker = threading.Thread(target=_answer_in_clear, args=(silent,))
        talker.start()
        with pytest.raises(NotSentError):
            call(f"https://127.0.0.1:{silent.getsockname()[1]}")
        talker.join()


def _answer_in_clear(listener):
    """Two connections: the one that was left silent before, and the next."""
    for _ in range(2):
        connection, _address = listener.accept()
        with connection:
            connection.sendall(NO)


def test_a_crowd_of_threads_is_served_at_once():
    together = threading.Barrier(20)

    def answer_together(connection, _stopping):
        together.wait(5)
        connection.sendall(OK)

    with server(answer_together) as (url, requests):
        for _ in range(2):
            with ThreadPoolExecutor(20) as threads:
                assert [answer.status for answer in threads.map(lambda _: call(url), range(20))] == [200] * 20
        assert len(requests) == 40


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (429, b"", ThrottledError),
        (401, b"", AccountError),
        (403, b"{}", AccountError),
        (400, b'{"detail":"no"}', RejectedError),
    ],
)
def test_refusals_arrive_as_what_they_are(status, body, error):
    with server(answering(page(status, body, b"Retry-After: 3"))) as (url, _), pytest.raises(error) as caught:
        call(url)
    assert getattr(caught.value, "retry_after", 3.0) == 3.0


def test_one_request_goes_out_as_it_was_asked_for():
    with server(answering(OK)) as (url, requests):
        call(url, body={"a": 1})
    head, _, body = requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == f"POST /api/v1/submissions/?worker={WORKER} HTTP/1.1"
    assert {"Authorization: Token s3cr3t", "User-Agent: crowdops", "Accept-Encoding: identity"} <= set(lines)
    assert body == b'{"a":1}'


def test_requests_share_connections_and_no_cookie():
    behave = answering(page(200, b"{}", b"Set-Cookie: session=of-account-1"), close=False)
    with server(behave) as (url, requests):
        for _ in range(3):
            call(url)
    assert len(requests) == 3
    assert not any(b"cookie" in request.lower() for request in requests)


def test_a_proxy_of_the_environment_is_not_used(monkeypatch):
    with server(answering(OK)) as (proxy, proxied), server(answering(OK)) as (url, requests):
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy)
        call(url)
        assert (len(proxied), len(requests)) == (0, 1)


@pytest.mark.parametrize(
    "behave", [answering(), hanging, resetting, answering(page(401, b"")), answering(page(400, b'{"detail":"no"}'))]
)
def test_no_token_query_body_or_worker_shows_in_errors_or_logs(behave, caplog, deadline):
    deadline(SHORT)
    caplog.set_level(logging.DEBUG)
    with server(behave) as (url, _), pytest.raises(ProviderError) as caught:
        call(url, path=f"/api/v1/participants/{WORKER}/")
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + caplog.text
    for private in ("s3cr3t", WORKER, "worker="):
        assert private not in shown
    assert caught.value.__context__ is None


def test_no_vendor_is_called_while_a_transaction_is_open():
    token = _open.set(1)
    try:
        with server(answering(OK)) as (url, requests), pytest.raises(TransactionOpenError):
            call(url)
        assert requests == []
    finally:
        _open.reset(token)


class _TimeLimitError(Exception):
    """What a task's soft time limit raises in the main thread."""


def test_a_time_limit_that_interrupts_the_wait_also_ends_the_request():
    gone = threading.Event()

    def notice_end(connection, _stopping):
        connection.settimeout(10)
        if connection.recv(1) == b"":
            gone.set()
        return True

    def raise_limit(*_):
        raise _TimeLimitError

    before = signal.signal(signal.SIGALRM, raise_limit)
    try:
        with server(notice_end) as (url, _):
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(_TimeLimitError):
                call(url)
            assert gone.wait(5)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _child(url, results):
    results.put((os.getpid(), call(url).status))


def test_a_forked_child_calls_over_a_connection_of_its_own():
    fork = multiprocessing.get_context("fork")
    connections = []

    def behave(connection, _stopping):
        connections.append(connection.getpeername())
        connection.sendall(OK)

    with server(behave) as (url, _):
        call(url)
        results = fork.SimpleQueue()
        child = fork.Process(target=_child, args=(url, results))
        child.start()
        child.join(10)
        assert child.exitcode == 0
        assert results.get() == (child.pid, 200)
        assert call(url).status == 200
    parents, childs, again = connections
    assert parents == again != childs
