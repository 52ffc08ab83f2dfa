"""Participant groups of an account: requests go in, one outcome each comes out; studies let groups in or keep them out.

A change of members counts for studies that are published already.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from providers.contract import Absent, Done, Outcome, Request
from providers.errors import NotSentError, RejectedError, UnknownError
from providers.outcome import NotFoundError
from providers.prolific import evidence
from providers.prolific.client import Client
from providers.prolific.shapes import Named


def make(client: Client, requests: Sequence[Request]) -> Sequence[Outcome]:
    """Make a group, unless it is there: a database that was restored does not know of those it made."""
    (request,) = requests
    (found,) = find(client, requests)
    if not isinstance(found, Absent):
        return [found]
    return [Done({"group_id": client.create_group(request.facts["workspace"], request.body["name"])})]


def find(client: Client, requests: Sequence[Request]) -> Sequence[Outcome]:
    """Look for groups by their names."""
    workspaces = {request.facts["workspace"] for request in requests}
    listed = {workspace: client.groups(workspace) for workspace in workspaces}
    return [_named(request, listed[request.facts["workspace"]]) for request in requests]


def _named(request: Request, listed: Sequence[Named]) -> Outcome:
    name = request.body["name"]
    ids = sorted(group.id for group in listed if group.name == name)
    if len(ids) > 1:
        told = f"The participant groups {', '.join(ids)} are all named {name!r}; delete all but one at Prolific."
        return UnknownError(told)
    return Done({"group_id": ids[0]}) if ids else Absent()


def delete(client: Client, requests: Sequence[Request]) -> Sequence[Outcome]:
    """Delete a group; one that is deleted or gone is as good as that."""
    (request,) = requests
    group = _of(request)
    try:
        client.delete_group(group)
    except RejectedError as refusal:
        return [evidence.despite(refusal, _gone(client, group))]
    return [Done()]


def deleted(client: Client, requests: Sequence[Request]) -> Sequence[Outcome]:
    """Read whether groups are deleted."""
    return [_gone(client, _of(request)) for request in requests]


def _gone(client: Client, group: str) -> Outcome:
    try:
        return Done() if client.group(group).is_deleted else Absent()
    except NotFoundError:
        return Done()


def join(client: Client, requests: Sequence[Request]) -> Sequence[Outcome]:
    """Put participants in their groups."""
    return _each(requests, partial(_change, client, client.add_members, wanted=True))


def leave(client: Client, requests: Sequence[Request]) -> Sequence[Outcome]:
    """Take participants out of their groups."""
    return _each(requests, partial(_change, client, client.remove_members, wanted=False))


def joined(client: Client, requests: Sequence[Request]) -> Sequence[Outcome]:
    """Read whether participants are in their groups."""
    return _each(requests, partial(_seen, client, wanted=True))


def left(client: Client, requests: Sequence[Request]) -> Sequence[Outcome]:
    """Read whether participants are out of their groups."""
    return _each(requests, partial(_seen, client, wanted=False))


_OfGroup = Callable[[str, Sequence[Request]], Sequence[Outcome]]


def _each(requests: Sequence[Request], act: _OfGroup) -> Sequence[Outcome]:
    """Act on one group after the other; the members of a batch mostly belong to one."""
    together: dict[str, list[Request]] = defaultdict(list)
    for request in requests:
        together[_of(request)].append(request)
    found: dict[Any, Outcome] = {}
    for group, members in together.items():
        found |= {member.id: outcome for member, outcome in zip(members, act(group, members), strict=True)}
    return [found[request.id] for request in requests]


def _change(
    client: Client,
    change: Callable[[str, Sequence[str]], set[str]],
    group: str,
    requests: Sequence[Request],
    *,
    wanted: bool,
) -> Sequence[Outcome]:
    try:
        members = change(group, [request.facts["worker"] for request in requests])
    except RejectedError as refusal:
        return [evidence.despite(refusal, seen) for seen in _seen(client, group, requests, wanted=wanted)]
    return [evidence.promised(evidence.member(request, members, wanted=wanted)) for request in requests]


def _seen(client: Client, group: str, requests: Sequence[Request], *, wanted: bool) -> Sequence[Outcome]:
    members = client.members(group)
    return [evidence.member(request, members, wanted=wanted) for request in requests]


def filters(request: Request) -> list[Mapping[str, Any]]:
    """What a draft says of groups: places are for who is in each that is let in, and in none that is kept out.

    Raises:
        NotSentError: one of them was not made yet.
    """
    out = [_id(request, group) for group in request.body.get("keep_out", ())]
    # Of the groups that one filter names it is enough to be in one.
    let_in = [_filter("participant_group_allowlist", [_id(request, group)]) for group in request.body.get("let_in", ())]
    return let_in + ([_filter("participant_group_blocklist", out)] if out else [])


def _filter(word: str, groups: list[str]) -> Mapping[str, Any]:
    return {"filter_id": word, "selected_values": groups}


def _of(request: Request) -> str:
    return _id(request, request.body["group"])


def _id(request: Request, group: str) -> str:
    made = request.facts.get("groups", {}).get(group)
    if isinstance(made, str):
        return made
    raise NotSentError("The account has no such participant group at Prolific yet: it has to be made first.")
