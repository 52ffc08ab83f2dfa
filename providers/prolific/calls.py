"""Each kind of operation as Prolific carries it out and shows it: requests go in, one outcome each comes out.

`send` makes one effectful call, and reads only after a refusal, since "done already" is refused as well; `find` only
reads.
"""

from collections.abc import Callable, Mapping, Sequence

from providers.contract import Absent, Accepted, Kind, Outcome, Repeat, Request
from providers.errors import NotSentError, ProviderError, RejectedError, UnknownError
from providers.prolific import evidence, mapping
from providers.prolific.client import Client
from providers.prolific.reads import states
from providers.prolific.shapes import Listed

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("draft", Repeat.READ_BACK, resend_when_absent=True),
        Kind("publish", Repeat.ABSORBING),
        Kind("launch", Repeat.ABSORBING, batch=1000, per_run=True),
        Kind("approve", Repeat.ABSORBING, batch=100, lane="wallet", urgent=True),
    )
}


def send(client: Client, kind: str, requests: Sequence[Request]) -> Sequence[Outcome]:
    """Carry out requests of one kind with one call.

    Raises:
        ProviderError: the outcome of every member; a refusal of more than one proves nothing about any of them.
    """
    return _SEND[kind](client, requests)


def find(client: Client, kind: str, requests: Sequence[Request]) -> Sequence[Outcome]:
    """Read back whether the effect of each request is there.

    Raises:
        ProviderError: the read failed; nothing is known.
    """
    return _FIND[kind](client, requests)


def _send_draft(client: Client, requests: Sequence[Request]) -> Sequence[Outcome]:
    (request,) = requests
    return [evidence.drafted(request, client.create_study(mapping.study(request.id, request.body)))]


def _find_draft(client: Client, requests: Sequence[Request]) -> Sequence[Outcome]:
    projects = {request.body.get("project") for request in requests}
    listed = {project: _named(client, project) for project in projects}
    return [_draft_of(client, request, listed[request.body.get("project")]) for request in requests]


def _named(client: Client, project: str | None) -> Sequence[Listed]:
    """A list may leave the name out where the study itself has it; absence must be seen, not assumed."""
    listed = [study for page in client.studies(project) for study in page]
    return [study if "internal_name" in study.model_fields_set else client.study(study.id) for study in listed]


def _draft_of(client: Client, request: Request, listed: Sequence[Listed]) -> Outcome:
    name = mapping.internal_name(request.id)
    ids = sorted({study.id for study in listed if name in (study.internal_name or "")})
    if len(ids) > 1:
        return UnknownError(f"The studies {', '.join(ids)} are all named {name}; delete all but one at Prolific.")
    return evidence.drafted(request, client.draft(ids[0])) if ids else Absent()


def _send_publish(client: Client, requests: Sequence[Request]) -> Sequence[Outcome]:
    (request,) = requests
    study = _study_of(request)
    try:
        status = client.transition_study(study, "PUBLISH").status
    except RejectedError as refusal:
        return [evidence.despite(refusal, evidence.published(client.study(study).status))]
    return [evidence.promised(evidence.published(status))]


def _find_publish(client: Client, requests: Sequence[Request]) -> Sequence[Outcome]:
    return [evidence.published(client.study(_study_of(request)).status) for request in requests]


def _send_launch(client: Client, requests: Sequence[Request]) -> Sequence[Outcome]:
    study = _study_of(requests[0])
    try:
        places = client.set_places(study, max(request.body["places"] for request in requests)).places
    except RejectedError as refusal:
        places = client.study(study).places
        return [evidence.despite(refusal, evidence.launched(request, places)) for request in requests]
    return [evidence.promised(evidence.launched(request, places)) for request in requests]


def _find_launch(client: Client, requests: Sequence[Request]) -> Sequence[Outcome]:
    places = {study: client.study(study).places for study in {_study_of(request) for request in requests}}
    return [evidence.launched(request, places[_study_of(request)]) for request in requests]


def _send_approve(client: Client, requests: Sequence[Request]) -> Sequence[Outcome]:
    targets = [request.target for request in requests]
    if len(targets) > 1:
        client.bulk_approve(targets)
        return [Accepted()] * len(targets)
    try:
        status = client.approve(targets[0]).status
    except RejectedError as refusal:
        return [evidence.approval_refused(refusal, client.submission(targets[0]).status)]
    return [evidence.promised(evidence.approved(status))]


def _find_approve(client: Client, requests: Sequence[Request]) -> Sequence[Outcome]:
    seen = states(client, requests)
    return [_approval(seen[request.target]) for request in requests]


def _approval(seen: str | ProviderError) -> Outcome:
    return seen if isinstance(seen, ProviderError) else evidence.approved(seen)


def _study_of(request: Request) -> str:
    study = request.facts.get("study_id")
    if isinstance(study, str):
        return study
    raise NotSentError("The run has no study at Prolific yet: its draft has to be confirmed first.")


_Calls = Callable[[Client, Sequence[Request]], Sequence[Outcome]]
_SEND: Mapping[str, _Calls] = {
    "draft": _send_draft,
    "publish": _send_publish,
    "launch": _send_launch,
    "approve": _send_approve,
}
_FIND: Mapping[str, _Calls] = {
    "draft": _find_draft,
    "publish": _find_publish,
    "launch": _find_launch,
    "approve": _find_approve,
}
