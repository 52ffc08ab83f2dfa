"""The endpoints of bonuses: rows of CSV are set up as a batch, and each call that pays the batch pays it once more."""

from functools import partial
from http import HTTPStatus

from providers.prolific.simulator.answer import Answer, ApiError, success
from providers.prolific.simulator.bonus import Batch, rows_of
from providers.prolific.simulator.endpoint import Request
from providers.prolific.simulator.faults import NEVER_DONE
from providers.prolific.simulator.identity import identifier
from providers.prolific.simulator.state import State
from providers.prolific.simulator.study import Study
from providers.prolific.simulator.submission import Submission

PAY_SECONDS = 60.0
"""How long after its 202 a payment is carried out; the document says "in the following minutes"."""


def set_up(state: State, request: Request) -> Answer:
    """POST submissions/bonus-payments/: moves no money. There is no token, so each call makes a batch."""
    match request.json():
        case {"study_id": str(study_id), "csv_bonuses": str(text)}:
            study = state.study(study_id)
        case _:
            raise ApiError(HTTPStatus.BAD_REQUEST, "Give study_id and csv_bonuses.")
    batch = Batch(identifier(state.seed, "bonuses", len(state.batches)), study, _bonuses(state, study, text))
    state.batches[batch.id] = batch
    return success(batch.shown(), HTTPStatus.CREATED)


def _bonuses(state: State, study: Study, text: str) -> list[tuple[Submission, int]]:
    try:
        rows = rows_of(text)
    except ValueError as problem:
        raise ApiError(HTTPStatus.BAD_REQUEST, {"csv_bonuses": [str(problem)]}) from None
    found = [(id_, _meant(state, study, id_), amount) for id_, amount in rows]
    if unknown := [id_ for id_, submission, _ in found if submission is None]:
        told = f"These ids have not taken part in the study: {', '.join(unknown)}."
        raise ApiError(HTTPStatus.BAD_REQUEST, {"csv_bonuses": [told]})
    return [(submission, amount) for _, submission, amount in found if submission]


def _meant(state: State, study: Study, id_: str) -> Submission | None:
    """The study's submission with this id, or the newest one of the participant with this id."""
    found = state.submissions.get(id_)
    if found is None:
        return next((row for row in reversed(study.submissions) if row.participant == id_), None)
    return found if found.study is study else None


def pay(state: State, request: Request) -> Answer:
    """POST bulk-bonus-payments/{id}/pay/: says yes at once and pays later; not idempotent, as Prolific warns."""
    batch = state.batch(request.ids["id"])
    state.require(batch.quote["total_amount"])
    if request.fault is None or request.fault.kind != NEVER_DONE:
        state.due.append(batch)
        state.clock.after(PAY_SECONDS, partial(state.pay_out, batch))
    return success("The bonuses will be paid in the following minutes.", HTTPStatus.ACCEPTED)
