"""The endpoints of submissions in numbers: listing them, reading one, and approving many."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any

from providers.prolific.simulator.answer import Answer, ApiError, success
from providers.prolific.simulator.endpoint import PAGE_SIZE, Request, listing
from providers.prolific.simulator.reading import worded
from providers.prolific.simulator.state import State
from providers.prolific.simulator.submission import STATUSES, Submission

BULK_SECONDS = 10.0
"""How long after its 200 a bulk approval is carried out; the document calls it asynchronous and says no more."""
PARAMETERS = frozenset({"study", "status", "page", "page_size", "ordering"})
ORDERINGS: Mapping[str, Callable[[Submission], Any]] = {
    "submission_reward": lambda row: row.study.reward,
    "study_name": lambda row: row.study.fields["name"],
}


def find(state: State, request: Request) -> Answer:
    """GET submissions/: by start, then id, so that the pages of a listing fit together."""
    unknown = sorted(set(request.query) - PARAMETERS)
    if unknown:
        # Prolific would ignore these; a caller who relies on a filter that is not there should learn it here.
        raise ApiError(HTTPStatus.BAD_REQUEST, {name: ["Not supported by the simulator."] for name in unknown})
    every = state.study(request.query["study"]).submissions if "study" in request.query else state.in_order
    age = request.fault.seconds if request.fault and request.fault.kind == "list_stale" else 0.0
    rows = state.seen(every, age)
    if "status" in request.query:
        wanted = _status(request.query["status"])
        rows = [row for row in rows if row.status == wanted]
    rows = _ordered(rows, request.query.get("ordering", "started_at"))
    return success(listing(rows, Submission.short, request, PAGE_SIZE))


def _status(text: str) -> str:
    """The status meant: case does not matter, and blank, hyphen and underscore are alike."""
    known = {status.replace("-", " "): status for status in (*STATUSES, "UNKNOWN")}
    name = text.upper().replace("_", " ").replace("-", " ")
    if name not in known:
        raise ApiError(HTTPStatus.BAD_REQUEST, {"status": [f"{text!r} is no status of a submission."]})
    return known[name]


def _ordered(rows: Sequence[Submission], ordering: str) -> Sequence[Submission]:
    field, backwards = ordering.removeprefix("-"), ordering.startswith("-")
    if field in ORDERINGS:
        return sorted(rows, key=ORDERINGS[field], reverse=backwards)
    if field != "started_at":
        raise ApiError(HTTPStatus.BAD_REQUEST, {"ordering": [f"{ordering!r} is not supported."]})
    return rows[::-1] if backwards else rows


def show(state: State, request: Request) -> Answer:
    """GET submissions/{id}/."""
    (submission,) = state.seen([state.submission(request.ids["id"])])
    (shown,) = worded([submission.detail()], request.misread)
    return success(shown)


def bulk_approve(state: State, request: Request) -> Answer:
    """POST submissions/bulk-approve/: says yes at once and does it later; what does not await review is passed over."""
    match request.json():
        case {"submission_ids": [*ids]} if _are_ids(ids):
            chosen = [state.submissions[id_] for id_ in ids if id_ in state.submissions]
        case {"study_id": str(study_id), "participant_ids": [*ids]} if _are_ids(ids):
            chosen = [row for row in state.study(study_id).submissions if row.participant in ids]
        case _:
            raise ApiError(HTTPStatus.BAD_REQUEST, "Give submission_ids, or study_id with participant_ids.")
    state.clock.after(BULK_SECONDS, partial(_approve_all, state, chosen))
    return success("The request to bulk approve has been made successfully.")


def _are_ids(values: Sequence[object]) -> bool:
    return bool(values) and all(isinstance(value, str) for value in values)


def _approve_all(state: State, chosen: list[Submission]) -> None:
    for submission in chosen:
        if submission.status == "AWAITING REVIEW":
            state.approve(submission)
