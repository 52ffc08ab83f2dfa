"""What the simulator promises about decisions that undo, screen out or ask to return."""

import pytest

UNIT = 42  # A reward of 30, a fee of a third, and VAT of a fifth of the fee.
MESSAGE = "The answers do not match the pictures that were shown, and the time spent on each page was under a second."
REJECTION = {"action": "REJECT", "message": MESSAGE, "rejection_category": "LOW_EFFORT"}
SCREENING = {"action": "FIXED_SCREEN_OUT_PAYMENT", "fixed_screen_out_reward": 10, "slots": 2}
CODES = [
    {"code": "C0DE", "code_type": "COMPLETED", "actions": [{"action": "MANUALLY_REVIEW"}]},
    {"code": "OUT", "code_type": "FIXED_SCREENOUT", "actions": [SCREENING]},
]


def decide(api, submission, action, **more):
    return api.call("POST", f"submissions/{submission}/transition/", {"action": action} | more)


def available(api):
    return api.ok("GET", f"workspaces/{api.simulator.state.workspace}/balance/")["available_balance"]


@pytest.mark.parametrize(
    ("first", "undo", "kind"),
    [(REJECTION, "UNREJECT", "submission_unrejected"), ({"action": "RETURN"}, "UNRETURN", "submission_unreturned")],
)
def test_a_rejection_and_a_return_can_be_undone_once(api, first, undo, kind):
    (submission,) = api.finished(api.published())
    assert decide(api, submission, **first).status_code == 200
    for _ in range(2):
        assert decide(api, submission, undo).json()["status"] == "AWAITING REVIEW"
    assert api.effects().count(kind) == 1
    decide(api, submission, "APPROVE")
    assert decide(api, submission, undo).status_code == 400


def test_an_undone_rejection_is_paid_on_top_when_the_place_went_to_somebody_else(simulate):
    api = simulate(balance=4 * UNIT)
    study = api.published()
    first, _second = api.finished(study, 2)
    decide(api, first, **REJECTION)
    api.finished(study, 2)
    assert (api.status(study), available(api)) == ("AWAITING REVIEW", UNIT)
    assert decide(api, first, "UNREJECT").status_code == 200
    assert available(api) == 0


def test_an_undone_rejection_that_nobody_can_pay_is_refused(simulate):
    api = simulate(balance=3 * UNIT)
    study = api.published()
    first, _second = api.finished(study, 2)
    decide(api, first, **REJECTION)
    api.finished(study, 2)
    assert decide(api, first, "UNREJECT").status_code == 400
    assert api.effects()[-1] == "submission_rejected"


def test_screening_out_pays_the_fixed_reward_and_needs_a_code_for_it(api):
    submission = api.simulator.state.take_place(api.published()).id
    api.simulator.state.start(submission)
    assert decide(api, submission, "SCREEN_OUT").status_code == 400
    study = api.published(completion_codes=CODES)
    submission = api.simulator.state.take_place(study).id
    assert decide(api, submission, "SCREEN_OUT").status_code == 400
    api.simulator.state.start(submission)
    before = available(api)
    assert decide(api, submission, "SCREEN_OUT", completion_code="C0DE").status_code == 400
    for _ in range(2):
        assert decide(api, submission, "SCREEN_OUT", completion_code="OUT").json()["status"] == "SCREENED OUT"
    assert before - available(api) == 14
    assert api.effects().count("submission_screened_out") == 1
    assert api.simulator.state.ledger[-1].amount_minor == 10
    assert api.simulator.state.studies[study].free == 3


def test_a_study_pauses_when_its_slots_for_screening_out_are_used_up(api):
    study = api.published(completion_codes=CODES[::-1])
    api.finished(study)
    assert api.status(study) == "ACTIVE"
    (second,) = api.finished(study)
    assert api.ok("GET", f"submissions/{second}/")["status"] == "SCREENED OUT"
    assert api.status(study) == "PAUSED"
    assert api.ok("POST", f"studies/{study}/transition/", {"action": "START"})["status"] == "ACTIVE"


def test_a_request_to_return_is_a_message_each_time_and_moves_nothing(api):
    study = api.published()
    (submission,) = api.finished(study)
    path = f"submissions/{submission}/request-return/"
    for _ in range(2):
        shown = api.ok("POST", path, {"request_return_reasons": ["Withdrew consent."]})
        assert shown["status"] == "AWAITING REVIEW"
        assert shown["return_requested"]
    assert api.ok("GET", f"submissions/{submission}/")["return_requested"] == shown["return_requested"]
    assert api.effects()[2:] == ["return_requested"] * 2
    assert len(api.ok("GET", "messages/", user_id=shown["participant"])["results"]) == 2
    assert api.call("POST", path, {"request_return_reasons": []}).status_code == 400
    decide(api, submission, "RETURN")
    assert api.call("POST", path, {"request_return_reasons": ["Late."]}).status_code == 400


def test_a_completion_code_may_ask_to_return(api):
    code = {"code": "NO", "code_type": "NO_CONSENT", "actions": [{"action": "REQUEST_RETURN", "return_reason": "No"}]}
    (submission,) = api.finished(api.published(completion_codes=[code]))
    assert api.ok("GET", f"submissions/{submission}/")["return_requested"]
    assert "return_requested" not in api.effects()
