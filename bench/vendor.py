"""A vendor that only lists: how many submissions go in, Prolific's counts and pages come out, as a process of its own.

It answers from bytes that it made beforehand, so that what is measured is the one who asks.
"""

import json
import sys
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PAGE = 100
STUDY = "5" * 24


class Listing:
    """One study with `size` submissions, whose words a caller may change by ``PUT /words/``."""

    def __init__(self, size: int) -> None:
        """Everybody is at work."""
        self.words = ["ACTIVE"] * size

    def answer(self, path: str, query: dict[str, list[str]]) -> object:
        """What Prolific answers."""
        if path.endswith("/counts/"):
            return {**Counter(self.words), "TOTAL": len(self.words)}
        if path.endswith(f"/studies/{STUDY}/"):
            return {"id": STUDY, "status": "ACTIVE", "total_available_places": len(self.words)}
        start = (int(query["page"][0]) - 1) * PAGE
        rows = [
            {"id": f"{number:024x}", "participant_id": f"{number:024d}", "status": word}
            for number, word in enumerate(self.words[start : start + PAGE], start)
        ]
        more = start + PAGE < len(self.words)
        return {"results": rows, "_links": {"next": {"href": "more" if more else None}}}


class Server(ThreadingHTTPServer):
    """Keeps the listing, and the answers to it."""

    daemon_threads = True

    def __init__(self, size: int) -> None:
        """Listen on any free port of loopback."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.listing = Listing(size)
        self.made: dict[str, bytes] = {}


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    """Head and body leave in two parts, and the second must not wait for the first to be acknowledged."""
    server: Server

    def do_GET(self) -> None:
        """Answer from what was made beforehand."""
        if self.path not in self.server.made:
            parts = urlsplit(self.path)
            answer = self.server.listing.answer(parts.path, parse_qs(parts.query))
            self.server.made[self.path] = json.dumps(answer).encode()
        self._send(self.server.made[self.path])

    def do_PUT(self) -> None:
        """Change the words of the first ones: ``{"word": "AWAITING REVIEW", "number": 1000}``."""
        wish = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.listing.words[: wish["number"]] = [wish["word"]] * wish["number"]
        self.server.made.clear()
        self._send(b"{}")

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the base class gives it
        """Stay silent."""


if __name__ == "__main__":
    with Server(int(sys.argv[1])) as server:
        print(server.server_port, flush=True)  # noqa: T201 - whoever started it reads it
        server.serve_forever()
