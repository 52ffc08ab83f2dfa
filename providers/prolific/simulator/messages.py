"""The endpoints of messages: a text goes in, each recipient gets it once a call, and it can be listed for 30 days."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from providers.prolific.simulator.answer import Answer, ApiError, success
from providers.prolific.simulator.endpoint import Request
from providers.prolific.simulator.groups import participants
from providers.prolific.simulator.state import State

KEPT = timedelta(days=30)


def send(state: State, request: Request) -> Answer:
    """POST messages/: to one person. There is no token, so the same call again is a second message."""
    wish = _wish(state, request, ("recipient_id", "body", "study_id"))
    return _sent(state, participants([wish["recipient_id"]], "recipient_id"), wish)


def send_many(state: State, request: Request) -> Answer:
    """POST messages/bulk/: to the people listed."""
    wish = _wish(state, request, ("ids", "body", "study_id"))
    return _sent(state, participants(wish["ids"], "ids"), wish)


def send_group(state: State, request: Request) -> Answer:
    """POST messages/participant-group/: to the group's members of this moment."""
    wish = _wish(state, request, ("participant_group_id", "body"))
    group = state.groups.get(str(wish["participant_group_id"]))
    if group is None or group.deleted:
        raise ApiError(HTTPStatus.BAD_REQUEST, {"participant_group_id": ["There is no such participant group."]})
    return _sent(state, group.members, wish)


def _wish(state: State, request: Request, required: Iterable[str]) -> dict[str, Any]:
    wish = request.json()
    problems = {name: ["This field is required."] for name in required if not wish.get(name)}
    if not isinstance(wish.get("body", ""), str):
        problems["body"] = ["This field must be a text."]
    if wish.get("study_id") and wish["study_id"] not in state.studies:
        problems["study_id"] = ["There is no such study."]
    if problems:
        raise ApiError(HTTPStatus.BAD_REQUEST, problems)
    return wish


def _sent(state: State, people: Iterable[str], wish: dict[str, Any]) -> Answer:
    study = state.studies.get(wish.get("study_id", ""))
    for person in dict.fromkeys(people):
        state.tell(person, wish["body"], study)
        state.record("message_sent", study, participants=[person])
    return success(status=HTTPStatus.NO_CONTENT)


def find(state: State, request: Request) -> Answer:
    """GET messages/: with one person, or all after a moment, and never older than 30 days."""
    person, after = request.query.get("user_id"), request.query.get("created_after")
    if person is None and after is None:
        raise ApiError(HTTPStatus.BAD_REQUEST, "Give user_id or created_after.")
    oldest = state.clock.now() - KEPT
    since = max(oldest, _moment(after)) if after is not None else oldest
    rows = [row for row in state.messages if row.sent > since and person in (None, row.recipient, row.sender)]
    return success({"results": [row.shown() for row in rows]})


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ApiError(HTTPStatus.BAD_REQUEST, {"created_after": ["Write it as ISO 8601."]}) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
