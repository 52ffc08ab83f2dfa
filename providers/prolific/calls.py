"""Each kind of operation as Prolific carries it out and shows it: requests go in, one outcome each comes out.

`send` makes one effectful call, and reads only after a refusal, since "done already" is refused as well; `find` only
reads.
"""

from collections.abc import Callable, Mapping, Sequence

from providers.contract import Absent, Accepted, Done, Kind, Outcome, Repeat, Request
from providers.errors import NotSentError, ProviderError, RejectedError, UnknownError
from providers.outcome import NotFoundError
from providers.prolific import bonus, evidence, groups, mapping
from providers.prolific.client import Client
from providers.prolific.reads import states
from providers.prolific.shapes import Listed

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("draft", Repeat.READ_BACK, resend_when_absent=True),
        Kind("publish", Repeat.ABSORBING),
        Kind("launch", Repeat.ABSORBING, batch=1000, per_run=True),
        Kind("approve", Repeat.ABSORBING, batch=100, lane="wallet", exclusive=True, urgent=True),
        Kind("reject", Repeat.ABSORBING, lane="wallet", exclusive=True, urgent=True),
        Kind("stop", Repeat.ABSORBING, urgent=True),
        Kind("pause", Repeat.ABSORBING, urgent=True),
        Kind("resume", Repeat.ABSORBING),
        Kind("group", Repeat.READ_BACK, resend_when_absent=True),
        Kind("ungroup", Repeat.ABSORBING),
        Kind("block", Repeat.ABSORBING, batch=100, urgent=True),
        Kind("unblock", Repeat.ABSORBING, batch=100, urgent=True),
        Kind("grant", Repeat.ABSORBING, batch=100, urgent=True),
        # What is in doubt goes to a person long before the 30 days are over for which messages are listed.
        Kind("message", Repeat.READ_BACK, resend_when_absent=True),
        Kind("revoke", Repeat.ABSORBING, batch=100, urgent=True),
        # That a bonus is not there proves nothing: a person decides.
        Kind("bonus", Repeat.READ_BACK, batch=100, per_run=True, lane="wallet", exclusive=True, snapshot=True),
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
    filters = [*groups.filters(request), *mapping.newcomers(request.body)]
    return [evidence.drafted(request, client.create_study(mapping.study(request.id, request.body, filters)))]


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
    return [_judged(seen[request.target], evidence.approved) for request in requests]


def _judged(seen: str | ProviderError, judge: Callable[[str], Outcome]) -> Outcome:
    return seen if isinstance(seen, ProviderError) else judge(seen)


def _send_reject(client: Client, requests: Sequence[Request]) -> Sequence[Outcome]:
    """Peers report that a rejection is answered with an error and takes effect all the same: its status is read."""
    (request,) = requests
    try:
        status = client.reject(request.target, request.body["category"], request.body["message"]).status
    except RejectedError as refusal:
        return [evidence.despite(refusal, evidence.rejected(client.submission(request.target).status))]
    return [evidence.promised(evidence.rejected(status))]


def _find_reject(client: Client, requests: Sequence[Request]) -> Sequence[Outcome]:
    seen = states(client, requests)
    return [_judged(seen[request.target], evidence.rejected) for request in requests]


_GONE = Done({"study_id": None})
"""What a run learns when its draft was deleted."""


def _send_stop(client: Client, requests: Sequence[Request]) -> Sequence[Outcome]:
    """A draft is deleted: nobody can take a place of it, and nobody should publish it later."""
    (request,) = requests
    study = request.facts.get("study_id")
    if study is None:
        return [Done()]
    try:
        if client.study(study).status == "UNPUBLISHED":
            client.delete_study(study)
            return [_GONE]
        status = client.transition_study(study, "STOP").status
    except RejectedError as refusal:
        return [evidence.despite(refusal, _stopping(client, study))]
    return [evidence.promised(evidence.stopped(status))]


def _find_stop(client: Client, requests: Sequence[Request]) -> Sequence[Outcome]:
    return [_stopping(client, study) if (study := request.facts.get("study_id")) else Done() for request in requests]


def _stopping(client: Client, study: str) -> Outcome:
    try:
        return evidence.stopped(client.study(study).status)
    except NotFoundError:
        return _GONE


def _send_turn(client: Client, requests: Sequence[Request]) -> Sequence[Outcome]:
    """PAUSE and START, after which a study is PAUSED or ACTIVE."""
    (request,) = requests
    study, kind = _study_of(request), request.kind
    try:
        status = client.transition_study(study, "PAUSE" if kind == "pause" else "START").status
    except RejectedError as refusal:
        return [evidence.despite(refusal, evidence.turned(kind, client.study(study).status))]
    return [evidence.promised(evidence.turned(kind, status))]


def _find_turn(client: Client, requests: Sequence[Request]) -> Sequence[Outcome]:
    return [evidence.turned(request.kind, client.study(_study_of(request)).status) for request in requests]


def _send_message(client: Client, requests: Sequence[Request]) -> Sequence[Outcome]:
    (request,) = requests
    text = mapping.message(request.id, request.body["text"])
    client.send_message(request.facts["worker"], _study_of(request), text)
    return [Done()]


def _find_message(client: Client, requests: Sequence[Request]) -> Sequence[Outcome]:
    texts = {worker: client.messages(worker) for worker in {request.facts["worker"] for request in requests}}
    return [evidence.told(request, texts[request.facts["worker"]]) for request in requests]


def _send_bonus(client: Client, requests: Sequence[Request]) -> Sequence[Outcome]:
    return bonus.pay(client, _study_of(requests[0]), requests)


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
    "reject": _send_reject,
    "stop": _send_stop,
    "pause": _send_turn,
    "resume": _send_turn,
    "group": groups.make,
    "ungroup": groups.delete,
    "block": groups.join,
    "unblock": groups.leave,
    "grant": groups.join,
    "revoke": groups.leave,
    "message": _send_message,
    "bonus": _send_bonus,
}
_FIND: Mapping[str, _Calls] = {
    "draft": _find_draft,
    "publish": _find_publish,
    "launch": _find_launch,
    "approve": _find_approve,
    "reject": _find_reject,
    "stop": _find_stop,
    "pause": _find_turn,
    "resume": _find_turn,
    "group": groups.find,
    "ungroup": groups.deleted,
    "block": groups.joined,
    "unblock": groups.left,
    "grant": groups.joined,
    "revoke": groups.left,
    "message": _find_message,
    "bonus": bonus.find,
}
