"""A vendor made of a table: paths and JSON answers go in, a client that talks to it comes out; and short requests."""

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from uuid import uuid4

from providers.contract import Request
from providers.prolific.client import Client
from tests.listening import listening


@contextmanager
def vendor(answers):
    """A vendor that answers each path from a table of bodies, or of functions of the query; yields a client."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path, _, query = self.path.removeprefix("/api/v1/").partition("?")
            answer = answers[path]
            body = json.dumps(answer(query) if callable(answer) else answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_PATCH = do_GET  # noqa: N815 - the names that the server calls

        def log_message(self, *_):
            """Stay silent."""

    with listening(Handler) as port:
        yield Client("env:VENDOR_TOKEN", f"http://127.0.0.1:{port}")


def request(kind, target="run", body=None, **facts):
    """An operation to be sent."""
    return Request(uuid4(), kind, target, body or {}, facts)


def one(outcomes):
    """The only outcome of several."""
    (outcome,) = outcomes
    return outcome


def approvals(submissions, **facts):
    """One approval for each submission."""
    return [request("approve", submission, **facts) for submission in submissions]
