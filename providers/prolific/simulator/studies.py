"""The endpoints of studies: a call goes in, the study changes, effects go into the ledger, an answer comes out."""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any

from providers.prolific.simulator.answer import Answer, ApiError, success
from providers.prolific.simulator.draft import checked
from providers.prolific.simulator.endpoint import Request, listing
from providers.prolific.simulator.identity import identifier
from providers.prolific.simulator.money import breakdown, cost, minor
from providers.prolific.simulator.state import State
from providers.prolific.simulator.study import Study
from providers.prolific.simulator.submission import STATUSES

PUBLISHING_SECONDS = 2.0
READ_ONLY = frozenset({"id", "status", "actions"})
CHANGEABLE = frozenset({"internal_name", "total_available_places", "access_details", "submissions_config"})


def create(state: State, request: Request) -> Answer:
    """POST studies/: a draft. There is no token, so each call makes one."""
    sent = {name: value for name, value in request.json().items() if name not in READ_ONLY}
    fields = checked(sent, state.project, state.groups, state.studies)
    state.studies_made += 1
    number = state.studies_made
    study = Study(identifier(state.seed, "study", number), number, fields, created=state.clock.now())
    state.studies[study.id] = study
    state.record("study_created", study)
    return success(study.full(), HTTPStatus.CREATED)


def find(state: State, request: Request) -> Answer:
    """GET studies/: all of them, or those of one state, or of several as ``(active|paused)``."""
    wanted = request.query.get("state", "")
    words = {word.strip().replace("_", " ").upper() for word in wanted.strip("()").split("|")}
    rows = [study for study in state.studies.values() if not wanted or study.status in words]
    return success(listing(rows, Study.short, request, max(1, len(rows))))


def find_in_project(state: State, request: Request) -> Answer:
    """GET projects/{project_id}/studies/: oldest first, paginated when the caller says so."""
    if request.ids["project_id"] != state.project:
        raise ApiError(HTTPStatus.NOT_FOUND, "No project matches the given id.")
    rows = list(state.studies.values())
    match request.query.get("ordering", "date_created"):
        case "-date_created":
            rows.reverse()
        case "date_created":
            pass
        case other:
            raise ApiError(HTTPStatus.BAD_REQUEST, {"ordering": [f"{other!r} is not supported."]})
    return success(listing(rows, Study.short, request, max(1, len(rows))))


def show(state: State, request: Request) -> Answer:
    """GET studies/{id}/."""
    return success(state.study(request.ids["id"]).full())


def change(state: State, request: Request) -> Answer:
    """PATCH studies/{id}/: anything in a draft; after publishing only what the document lists, and places only up."""
    study = state.study(request.ids["id"])
    sent = {name: value for name, value in request.json().items() if name not in READ_ONLY}
    if isinstance(sent.get("submissions_config"), dict):
        sent["submissions_config"] = study.fields["submissions_config"] | sent["submissions_config"]
    fields = checked(study.fields | sent, state.project, state.groups, state.studies)
    if study.published is not None:
        _refuse_frozen(study, fields)
        fields |= _tasks_added(study, sent)
    _set_places(state, study, fields["total_available_places"])
    if fields != study.fields:
        study.fields = fields
        state.record("study_changed", study)
    state.settle(study)
    return success(study.full())


def _refuse_frozen(study: Study, fields: Mapping[str, Any]) -> None:
    frozen = [name for name in fields if name not in CHANGEABLE and fields[name] != study.fields.get(name)]
    if frozen:
        raise ApiError(
            HTTPStatus.BAD_REQUEST,
            {name: ["This field cannot be changed once the study has been published."] for name in frozen},
        )


def _tasks_added(study: Study, sent: Mapping[str, Any]) -> dict[str, Any]:
    """What `access_details` changes: allocations on top of those of the same URL, and that many more places."""
    if not sent.get("access_details"):
        return {}
    allocations = {detail["external_url"]: detail for detail in study.fields.get("access_details") or []}
    places = study.places
    for detail in sent["access_details"]:
        url, more = detail["external_url"], detail["total_allocation"]
        before = allocations.get(url, {"external_url": url, "total_allocation": 0})
        allocations[url] = before | {"total_allocation": before["total_allocation"] + more}
        places += more
    return {
        "access_details": list(allocations.values()),
        "total_available_places": sent.get("total_available_places", places),
    }


def _set_places(state: State, study: Study, places: int) -> None:
    """Set the places; on a published study that reserves money and lets a closed one recruit again."""
    if places == study.places:
        return
    amount = 0
    if study.published is not None:
        if places < study.places:
            raise ApiError(
                HTTPStatus.BAD_REQUEST,
                {"total_available_places": [f"Places can only be increased; the study has {study.places}."]},
            )
        extra = study.surcharge(places)
        state.require(extra)
        amount = minor(extra)
        study.paused = study.paused and not study.closed
        study.closed = False
    study.fields = study.fields | {"total_available_places": places}
    state.record("places_set", study, amount=amount)


def delete(state: State, request: Request) -> Answer:
    """DELETE studies/{id}/: drafts only."""
    study = state.study(request.ids["id"])
    if study.published is not None:
        raise ApiError(HTTPStatus.BAD_REQUEST, f"Only drafts can be deleted; this study is {study.status}.")
    del state.studies[study.id]
    state.record("study_deleted", study)
    return success()


def transition(state: State, request: Request) -> Answer:
    """POST studies/{id}/transition/."""
    study = state.study(request.ids["id"])
    action = str(request.json().get("action"))
    if action not in TRANSITIONS:
        raise ApiError(HTTPStatus.BAD_REQUEST, {"action": [f"Use one of {', '.join(TRANSITIONS)}."]})
    statuses, carry_out = TRANSITIONS[action]
    if study.status not in statuses:
        raise ApiError(HTTPStatus.BAD_REQUEST, f"{action} is not possible: the study is {study.status}.")
    carry_out(state, study)
    state.settle(study)
    return success(study.full())


def _publish(state: State, study: Study) -> None:
    price = cost(study.reward, study.places)
    state.require(price)
    study.published = state.clock.now()
    study.publishing = True
    state.record("study_published", study, amount=minor(price))
    state.clock.after(PUBLISHING_SECONDS, partial(_activate, state, study))


def _activate(state: State, study: Study) -> None:
    study.publishing = False
    state.settle(study)


def _pause(state: State, study: Study) -> None:
    study.paused = True
    state.record("study_paused", study)


def _resume(state: State, study: Study) -> None:
    study.paused = False
    state.record("study_resumed", study)


def _stop(state: State, study: Study) -> None:
    study.closed = True
    state.record("study_stopped", study)


TRANSITIONS: Mapping[str, tuple[frozenset[str], Callable[[State, Study], None]]] = {
    "PUBLISH": (frozenset({"UNPUBLISHED"}), _publish),
    "START": (frozenset({"PAUSED"}), _resume),
    "PAUSE": (frozenset({"ACTIVE"}), _pause),
    "STOP": (frozenset({"ACTIVE", "PAUSED"}), _stop),
}


def count(state: State, request: Request) -> Answer:
    """GET studies/{id}/submissions/counts/."""
    study = state.study(request.ids["id"])
    if not state.visible_after:
        return success(study.submission_counts(STATUSES))
    counts = Counter(row.status for row in state.seen(study.submissions))
    return success({status: counts[status] for status in STATUSES} | {"TOTAL": counts.total()})


def price(state: State, request: Request) -> Answer:
    """GET studies/{id}/cost/: what was paid so far, or with ``is_projected`` what all places will cost."""
    study = state.study(request.ids["id"])
    projected = request.query.get("is_projected", "false").lower() == "true"
    amount = cost(study.reward, study.places) if projected else study.reward_cost

    def shown(parts: Mapping[str, int]) -> dict[str, Any]:
        names = {"rewards": "rewards", "fees": "fees", "vat": "tax"}
        return {names[name]: {"amount": part, "currency": state.currency} for name, part in parts.items()}

    return success({"rewards": shown(breakdown(amount)), "bonuses": shown(breakdown(study.bonus_cost)), "_links": {}})
