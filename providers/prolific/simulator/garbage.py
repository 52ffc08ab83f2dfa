"""Answers that nobody can read: a fault's kind and the answer that was due go in, what comes instead comes out."""

from http import HTTPStatus

from providers.prolific.simulator.answer import Answer

_HTML = b"<!doctype html><title>Just a moment...</title><h1>Checking your browser</h1>"
_OTHER = b'{"message": "OK", "data": {"items": []}}'
_SAID = b'{"id": "65a1f0000000000000000000", "study": null, "total_amount": 100, "bonus_payments": [1, 2]}'
GARBAGE = tuple(f"{word}_{when}" for word in ("html", "cut", "other") for when in ("before", "after"))
"""A page instead of JSON, JSON that breaks off, or JSON about something else; "before" hits a call without effect."""


def garbled(answer: Answer | None, kind: str) -> Answer:
    """A success whose body is no good; without an answer that was due it is a 200."""
    status, due = (answer.status, answer.body) if answer else (HTTPStatus.OK, b"")
    match kind.split("_", maxsplit=1)[0]:
        case "html":
            return Answer(status, _HTML, {"Content-Type": "text/html; charset=utf-8"})
        case "cut":
            whole = due or _SAID
            return Answer(status, whole[: len(whole) // 2])
        case _:
            return Answer(status, _OTHER)
