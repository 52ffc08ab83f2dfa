"""The endpoints of participant groups: lists of ids come in, membership changes, each real change is one effect."""

import re
from http import HTTPStatus
from typing import Any

from providers.prolific.simulator.answer import Answer, ApiError, success
from providers.prolific.simulator.endpoint import Request
from providers.prolific.simulator.group import Group
from providers.prolific.simulator.identity import identifier
from providers.prolific.simulator.state import State

PARTICIPANT = re.compile(r"[a-f\d]{24}")
"""The pattern of ids in the document."""


def find(state: State, request: Request) -> Answer:
    """GET participant-groups/: of the workspace, or by the deprecated project; ``active`` asks for the undeleted."""
    owner = (request.query.get("workspace_id"), request.query.get("project_id"))
    if owner not in {(state.workspace, None), (None, state.project)}:
        raise ApiError(HTTPStatus.BAD_REQUEST, "Name the workspace_id or the project_id of the account.")
    rows = [group for group in state.groups.values() if group.workspace]
    if "active" in request.query:
        deleted = request.query["active"].lower() == "false"
        rows = [group for group in rows if group.deleted == deleted]
    return success({"results": [group.shown(state.studies.values()) for group in rows]})


def create(state: State, request: Request) -> Answer:
    """POST participant-groups/. There is no token, so each call makes one."""
    wish = request.json()
    problems = _text_problems(wish, required=True)
    owners = [name for name in ("workspace_id", "organisation_id") if wish.get(name)]
    if len(owners) != 1 or wish.get("workspace_id", state.workspace) != state.workspace:
        problems["workspace_id"] = ["Give the account's workspace_id, or an organisation_id."]
    if problems:
        raise ApiError(HTTPStatus.BAD_REQUEST, problems)
    people = participants(wish.get("participant_ids", []))
    group = Group(
        id=identifier(state.seed, "group", len(state.groups)),
        name=wish["name"],
        description=wish.get("description"),
        workspace=wish.get("workspace_id"),
        organisation=wish.get("organisation_id"),
    )
    state.groups[group.id] = group
    state.record("group_created", group=group)
    _regroup(state, group, joining=people)
    return success(group.shown(state.studies.values()), HTTPStatus.CREATED)


def show(state: State, request: Request) -> Answer:
    """GET participant-groups/{id}/: a deleted one too."""
    return success(state.group(request.ids["id"]).shown(state.studies.values()))


def change(state: State, request: Request) -> Answer:
    """PATCH participant-groups/{id}/: name and description, and ``participant_ids`` in place of all members."""
    group, wish = _undeleted(state, request), request.json()
    problems = _text_problems(wish, required=False)
    if problems:
        raise ApiError(HTTPStatus.BAD_REQUEST, problems)
    people = participants(wish.get("participant_ids", list(group.members)))
    before = (group.name, group.description)
    group.name, group.description = wish.get("name", group.name), wish.get("description", group.description)
    if before != (group.name, group.description):
        state.record("group_changed", group=group)
    _regroup(state, group, people, [one for one in group.members if one not in people])
    return success(group.shown(state.studies.values()))


def delete(state: State, request: Request) -> Answer:
    """DELETE participant-groups/{id}/: marks it, and is ignored the second time."""
    group = state.group(request.ids["id"])
    if not group.deleted:
        group.deleted = True
        state.record("group_deleted", group=group)
    return success(status=HTTPStatus.NO_CONTENT)


def members(state: State, request: Request) -> Answer:
    """GET participant-groups/{id}/participants/."""
    return success(state.group(request.ids["id"]).membership())


def add(state: State, request: Request) -> Answer:
    """POST participant-groups/{id}/participants/: who is a member already is ignored."""
    group = _undeleted(state, request)
    _regroup(state, group, joining=participants(request.json().get("participant_ids")))
    return success(group.membership())


def remove(state: State, request: Request) -> Answer:
    """DELETE participant-groups/{id}/participants/, with the ids in its body: who is no member is ignored."""
    group = _undeleted(state, request)
    _regroup(state, group, leaving=participants(request.json().get("participant_ids")))
    return success(group.membership())


def participants(wish: object, name: str = "participant_ids") -> list[str]:
    """The ids that a body lists.

    Raises:
        ApiError: 400, it is no list, or something in it has not the shape of a participant's id.
    """
    ids: list[Any] = wish if isinstance(wish, list) else [wish]
    wrong = [one for one in ids if not isinstance(one, str) or not PARTICIPANT.fullmatch(one)]
    if wrong or not isinstance(wish, list):
        raise ApiError(HTTPStatus.BAD_REQUEST, {name: [f"{one!r} is no participant's id." for one in wrong or ids]})
    return ids


def _undeleted(state: State, request: Request) -> Group:
    group = state.group(request.ids["id"])
    if group.deleted:
        raise ApiError(HTTPStatus.BAD_REQUEST, "The participant group has been deleted.")
    return group


def _text_problems(wish: dict[str, Any], *, required: bool) -> dict[str, Any]:
    problems = {}
    name = wish.get("name", "" if required else "unchanged")
    if not isinstance(name, str) or not name.strip():
        problems["name"] = ["This field must be a text that is not empty."]
    if not isinstance(wish.get("description"), str | None):
        problems["description"] = ["This field must be a text or null."]
    return problems


def _regroup(state: State, group: Group, joining: list[str] | None = None, leaving: list[str] | None = None) -> None:
    added, removed = state.regroup(group, joining or [], leaving or [])
    for kind, people in (("participants_added", added), ("participants_removed", removed)):
        if people:
            state.record(kind, group=group, participants=people)
