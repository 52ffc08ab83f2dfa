"""The researcher's decisions on one submission: an action comes in, the submission moves, the effect is recorded.

The document calls them idempotent: what is so already is left alone, and is no effect.
"""

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

from providers.prolific.simulator.answer import Answer, ApiError, success
from providers.prolific.simulator.endpoint import Request
from providers.prolific.simulator.money import cost
from providers.prolific.simulator.state import State
from providers.prolific.simulator.submission import UNFINISHED, Submission

LEAST_MESSAGE = 100
CATEGORIES = (
    "TOO_QUICKLY",
    "TOO_SLOWLY",
    "FAILED_INSTRUCTIONS",
    "INCOMP_LONGITUDINAL",
    "FAILED_CHECK",
    "LOW_EFFORT",
    "MALINGERING",
    "NO_CODE",
    "BAD_CODE",
    "NO_DATA",
    "UNSUPP_DEVICE",
    "OTHER",
)


def transition(state: State, request: Request) -> Answer:
    """POST submissions/{id}/transition/: idempotent as documented, so the same request again is ignored."""
    submission = state.submission(request.ids["id"])
    wish = request.json()
    decide = DECISIONS.get(str(wish.get("action")))
    if decide is None:
        raise ApiError(HTTPStatus.BAD_REQUEST, {"action": [f"The simulator knows {', '.join(DECISIONS)}."]})
    decide(state, submission, wish)
    return success(submission.plain())


def _approve(state: State, submission: Submission, _wish: Mapping[str, Any]) -> None:
    if submission.status != "APPROVED":
        _expect(submission, {"AWAITING REVIEW"}, "APPROVE")
        state.approve(submission)


def _reject(state: State, submission: Submission, wish: Mapping[str, Any]) -> None:
    problems = {}
    if len(str(wish.get("message") or "")) < LEAST_MESSAGE:
        problems["message"] = [f"The message must be at least {LEAST_MESSAGE} characters long."]
    if wish.get("rejection_category") not in CATEGORIES:
        problems["rejection_category"] = [f"Use one of {', '.join(CATEGORIES)}."]
    if problems:
        raise ApiError(HTTPStatus.BAD_REQUEST, problems)
    if submission.status != "REJECTED":
        _expect(submission, {"AWAITING REVIEW"}, "REJECT")
        state.move(submission, "REJECTED")
        state.record("submission_rejected", submission.study, submission)


def _complete(state: State, submission: Submission, wish: Mapping[str, Any]) -> None:
    codes = [code for code in submission.study.fields["completion_codes"] if code["actor"] == "researcher"]
    code = next((code for code in codes if code["code"] == wish.get("completion_code")), None)
    if code is None:
        raise ApiError(HTTPStatus.BAD_REQUEST, {"completion_code": ["No code of the researcher's matches."]})
    if submission.code != code["code"]:
        _expect(submission, UNFINISHED, "COMPLETE")
        state.record("submission_completed", submission.study, submission)
        state.hand_in(submission, code)


def _send_back(state: State, submission: Submission, _wish: Mapping[str, Any]) -> None:
    if submission.status != "RETURNED":
        _expect(submission, UNFINISHED | {"AWAITING REVIEW"}, "RETURN")
        state.move(submission, "RETURNED")
        state.record("submission_returned", submission.study, submission)


def _undo(undone: str, action: str, kind: str) -> "Decision":
    """Back to AWAITING REVIEW, the only status the document names that a submission can get into this way."""

    def decide(state: State, submission: Submission, _wish: Mapping[str, Any]) -> None:
        if submission.status != "AWAITING REVIEW":
            _expect(submission, {undone}, action)
            study = submission.study
            # Somebody else may have the place by now; then this one is paid on top of the places.
            state.require(cost(study.reward, 0 if study.free and not submission.holds else 1))
            state.move(submission, "AWAITING REVIEW")
            state.record(kind, study, submission)

    return decide


def _screen_out(state: State, submission: Submission, wish: Mapping[str, Any]) -> None:
    """Only in a study with a code for it; the document's own example sends no code, so one is only compared."""
    code = submission.study.screen_out_code
    if code is None or wish.get("completion_code", code["code"]) != code["code"]:
        raise ApiError(HTTPStatus.BAD_REQUEST, "SCREEN_OUT needs a study with a completion code that screens out.")
    if submission.status != "SCREENED OUT":
        _expect(submission, {"ACTIVE", "AWAITING REVIEW"}, "SCREEN_OUT")
        study = submission.study
        state.require(cost(study.screen_out_reward, 1))
        state.screen_out(submission)
        state.record("submission_screened_out", study, submission, amount=study.screen_out_reward)


Decision = Callable[[State, Submission, Mapping[str, Any]], None]
DECISIONS: Mapping[str, Decision] = {
    "APPROVE": _approve,
    "REJECT": _reject,
    "COMPLETE": _complete,
    "RETURN": _send_back,
    "UNREJECT": _undo("REJECTED", "UNREJECT", "submission_unrejected"),
    "UNRETURN": _undo("RETURNED", "UNRETURN", "submission_unreturned"),
    "SCREEN_OUT": _screen_out,
}


def _expect(submission: Submission, statuses: Iterable[str], action: str) -> None:
    if submission.status not in statuses:
        raise ApiError(HTTPStatus.BAD_REQUEST, f"{action} is not possible: the submission is {submission.status}.")


def request_return(state: State, request: Request) -> Answer:
    """POST submissions/{id}/request-return/: asks only; asked again, the participant gets a second message."""
    submission, reasons = state.submission(request.ids["id"]), request.json().get("request_return_reasons")
    if not isinstance(reasons, list) or not reasons or not all(isinstance(one, str) and one for one in reasons):
        raise ApiError(HTTPStatus.BAD_REQUEST, {"request_return_reasons": ["Give at least one reason."]})
    _expect(submission, UNFINISHED | {"AWAITING REVIEW"}, "A request to return")
    state.record("return_requested", submission.study, submission)
    state.ask_back(submission, reasons)
    return success(submission.asked())
