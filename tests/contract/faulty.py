"""Servers that misbehave on purpose: a behaviour goes in, a URL and the requests that came come out."""

import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress


@contextmanager
def server(behave):
    """Let `behave(connection, stopping)` answer each request; true closes the connection. Yields url and requests."""
    requests, connections, stopping = [], [], threading.Event()

    def handle(connection):
        with connection:
            while request := _request(connection):
                requests.append(request)
                if behave(connection, stopping):
                    return

    def accept():
        while not stopping.is_set():
            connections.append(listener.accept()[0])
            threads.submit(handle, connections[-1])

    with socket.create_server(("127.0.0.1", 0), backlog=200) as listener, ThreadPoolExecutor(200) as threads:
        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", requests
        finally:
            stopping.set()
            socket.create_connection(listener.getsockname()).close()
            acceptor.join()
            for connection in connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


def _request(connection):
    data = b""
    try:
        while b"\r\n\r\n" not in data:
            more = connection.recv(65536)
            if not more:
                return b""
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        while lengths and len(body) < int(lengths[0].partition(b":")[2]):
            body += connection.recv(65536)
    except OSError:
        return b""
    return head + b"\r\n\r\n" + body


def answering(*parts, every=0.0, close=True):
    """A behaviour that sends the parts with a pause between them."""

    def behave(connection, stopping):
        for part in parts:
            try:
                connection.sendall(part)
            except OSError:
                return True
            if stopping.wait(every):
                return True
        return close

    return behave


def dripping(head=b""):
    endless = (b"x",) * 1000
    return answering(head, *endless, every=0.05)


def hanging(_connection, stopping):
    return stopping.wait(30)


def resetting(connection, _stopping):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return True


def page(status, body, *headers):
    return b"\r\n".join([b"HTTP/1.1 %d X" % status, b"Content-Length: %d" % len(body), *headers, b"", body])
