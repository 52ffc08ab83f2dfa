"""What the simulator promises about submissions, decisions on them, its crowd and its ledger."""

from dataclasses import asdict
from datetime import UTC, datetime

import pytest

MESSAGE = "The answers do not match the pictures that were shown, and the time spent on each page was under a second."
REJECTION = {"action": "REJECT", "message": MESSAGE, "rejection_category": "LOW_EFFORT"}
START = datetime(2026, 1, 5, 9, tzinfo=UTC)


def decide(api, submission, action, **more):
    return api.call("POST", f"submissions/{submission}/transition/", {"action": action} | more)


def status(api, submission):
    return api.ok("GET", f"submissions/{submission}/")["status"]


def crowd(api, study):
    """What there is to see of a study's submissions."""
    return [row.detail() for row in api.simulator.state.studies[study].submissions]


def test_a_finished_submission_carries_the_completion_code(api):
    study = api.published()
    (submission,) = api.finished(study)
    shown = api.ok("GET", f"submissions/{submission}/")
    assert (shown["status"], shown["entered_code"], shown["study_id"]) == ("AWAITING REVIEW", "C0DE", study)
    (listed,) = api.ok("GET", "submissions/", study=study)["results"]
    assert (listed["id"], listed["study_code"], listed["participant_id"]) == (submission, "C0DE", shown["participant"])


def test_a_full_study_has_no_place_to_take_and_a_finished_submission_nothing_to_finish(api):
    study = api.published(total_available_places=1)
    (submission,) = api.finished(study)
    with pytest.raises(ValueError, match="none to take"):
        api.simulator.state.take_place(study)
    with pytest.raises(ValueError, match="nothing to finish"):
        api.simulator.state.finish(submission)
    with pytest.raises(ValueError, match="no status"):
        api.simulator.state.set_status(submission, "EATEN")


def test_a_timed_out_submission_may_still_come_in_late(api):
    study = api.published()
    late = api.simulator.state.take_place(study).id
    api.simulator.state.set_status(late, "TIMED-OUT")
    api.simulator.state.finish(late)
    assert status(api, late) == "AWAITING REVIEW"


def test_pages_are_stable_and_one_past_the_end_is_404(api):
    study = api.published(total_available_places=120)
    made = [api.simulator.state.take_place(study) for _ in range(101)]
    in_order = sorted(row.id for row in made)  # All started at one moment, so the id decides.
    first = api.ok("GET", "submissions/", study=study)
    assert [row["id"] for row in first["results"]] == in_order[:20]
    assert first["meta"]["count"] == 101
    assert len(api.ok("GET", "submissions/", study=study, page_size=1000)["results"]) == 100
    last = api.ok("GET", "submissions/", study=study, page_size=100, page=2)
    assert [row["id"] for row in last["results"]] == in_order[100:]
    assert last["_links"]["next"]["href"] is None
    assert api.call("GET", "submissions/", study=study, page_size=100, page=3).status_code == 404
    backwards = api.ok("GET", "submissions/", study=study, ordering="-started_at", page_size=1)
    assert backwards["results"][0]["id"] == in_order[-1]


def test_the_link_to_the_next_page_can_be_followed(api):
    study = api.published()
    api.finished(study, 3)
    first = api.ok("GET", "submissions/", study=study, page_size=2)
    second = api.client.get(first["_links"]["next"]["href"]).json()
    assert len({row["id"] for row in first["results"] + second["results"]}) == 3


def test_submissions_are_listed_by_status_however_it_is_written(api):
    study = api.published()
    (submission,) = api.finished(study)
    api.simulator.state.take_place(study)
    api.simulator.on_exchange = None  # The document's text allows these spellings, its own schema does not.
    for word in ("AWAITING_REVIEW", "AWAITING REVIEW", "awaiting_review"):
        listed = api.call("GET", "submissions/", study=study, status=word).json()["results"]
        assert [row["id"] for row in listed] == [submission]
    assert api.ok("GET", "submissions/", status="APPROVED")["results"] == []
    assert api.call("GET", "submissions/", status="EATEN").status_code == 400


def test_a_filter_that_the_simulator_does_not_have_is_refused_and_not_ignored(api):
    assert api.call("GET", "submissions/", approved="true").status_code == 400
    assert api.call("GET", "submissions/", ordering="colour").status_code == 400


def test_submissions_are_counted_by_status(api):
    study = api.published()
    api.finished(study, 2)
    api.simulator.state.take_place(study)
    counts = api.ok("GET", f"studies/{study}/submissions/counts/")
    assert {name: number for name, number in counts.items() if number} == {
        "AWAITING REVIEW": 2,
        "RESERVED": 1,
        "TOTAL": 3,
    }


def test_an_approval_pays_once_and_its_repeat_is_ignored(api):
    study = api.published()
    (submission,) = api.finished(study)
    for _ in range(2):
        assert decide(api, submission, "APPROVE").json()["status"] == "APPROVED"
    effect = asdict(api.simulator.state.ledger[-1])
    assert api.effects().count("submission_approved") == 1
    assert effect | {"at": ""} == {
        "n": 3,
        "at": "",
        "kind": "submission_approved",
        "study": study,
        "submission": submission,
        "amount_minor": 30,
        "currency": "GBP",
        "places": None,
        "internal_name": "run-1",
        "group": None,
        "participants": (),
    }
    assert decide(api, submission, **REJECTION).status_code == 400


def test_only_what_awaits_review_can_be_approved(api):
    submission = api.simulator.state.take_place(api.published()).id
    assert decide(api, submission, "APPROVE").status_code == 400
    assert status(api, submission) == "RESERVED"


def test_a_rejection_needs_a_long_message_and_a_category(api):
    (submission,) = api.finished(api.published())
    short = decide(api, submission, **REJECTION | {"message": MESSAGE[:99]})
    assert short.json()["error"]["detail"].keys() == {"message"}
    assert decide(api, submission, **REJECTION | {"rejection_category": "RUDE"}).status_code == 400
    assert status(api, submission) == "AWAITING REVIEW"
    for _ in range(2):
        assert decide(api, submission, **REJECTION).json()["status"] == "REJECTED"
    assert api.effects().count("submission_rejected") == 1


def test_a_submission_can_be_returned_and_an_unknown_action_is_refused(api):
    (submission,) = api.finished(api.published())
    assert decide(api, submission, "EAT").status_code == 400
    for _ in range(2):
        assert decide(api, submission, "RETURN").json()["status"] == "RETURNED"
    assert api.effects().count("submission_returned") == 1


def test_a_researchers_code_completes_a_submission_and_carries_out_its_actions(api):
    code = {
        "code": "PAID",
        "code_type": "OTHER",
        "actor": "researcher",
        "actions": [{"action": "AUTOMATICALLY_APPROVE"}],
    }
    study = api.published(completion_codes=[code])
    submission = api.simulator.state.take_place(study).id
    assert decide(api, submission, "COMPLETE", completion_code="C0DE").status_code == 400
    for _ in range(2):
        assert decide(api, submission, "COMPLETE", completion_code="PAID").json()["status"] == "APPROVED"
    assert api.effects()[2:] == ["submission_completed", "submission_approved"]


def test_bulk_approval_says_yes_at_once_and_happens_later_to_those_who_await_review(api):
    study = api.published()
    first, second = api.finished(study, 2)
    reserved = api.simulator.state.take_place(study).id
    answer = api.call("POST", "submissions/bulk-approve/", {"submission_ids": [first, second, reserved, "none"]})
    assert (answer.status_code, status(api, first)) == (200, "AWAITING REVIEW")
    api.simulator.state.set_status(second, "RETURNED")
    api.simulator.advance(30)
    assert [status(api, one) for one in (first, second, reserved)] == ["APPROVED", "RETURNED", "RESERVED"]
    assert api.effects().count("submission_approved") == 1


def test_bulk_approval_takes_participants_too_and_no_other_body(api):
    study = api.published()
    (submission,) = api.finished(study)
    participant = api.simulator.state.submissions[submission].participant
    api.ok("POST", "submissions/bulk-approve/", {"study_id": study, "participant_ids": [participant]})
    api.simulator.advance(30)
    assert status(api, submission) == "APPROVED"
    for body in ({"submission_ids": []}, {"submission_ids": [["x"]]}, {"participant_ids": [participant]}):
        assert api.call("POST", "submissions/bulk-approve/", body).status_code == 400


def test_a_crowd_fills_a_study_and_hands_in_work(simulate):
    api = simulate(crowd=True)
    study = api.published(total_available_places=200)
    api.simulator.advance(15 * 60)
    assert api.status(study) == "AWAITING REVIEW"
    rows = api.simulator.state.studies[study].submissions
    assert len({row.participant for row in rows}) == len({row.id for row in rows}) == 200
    minutes = [(row.completed - row.started).total_seconds() / 60 for row in rows]
    assert 1 < min(minutes) < max(minutes) < 4
    assert api.effects() == ["study_created", "study_published"]


def test_the_same_seed_gives_the_same_crowd_and_another_seed_another(simulate):
    seen = []
    for seed, steps in ((1, 1), (1, 60), (2, 1)):
        api = simulate(crowd=True, seed=seed, start=START)
        study = api.published()
        for _ in range(steps):
            api.simulator.advance(600 / steps)
        seen.append(crowd(api, study))
    assert seen[0] == seen[1]
    assert {row["participant"] for row in seen[0]}.isdisjoint(row["participant"] for row in seen[2])


def test_a_place_given_back_is_taken_by_somebody_else(simulate):
    api = simulate(crowd=True)
    study = api.published()
    while not (submissions := crowd(api, study)):
        api.simulator.advance(1)
    api.simulator.state.set_status(submissions[0]["id"], "RETURNED")
    api.simulator.advance(600)
    counts = api.ok("GET", f"studies/{study}/submissions/counts/")
    assert (counts["AWAITING REVIEW"], counts["RETURNED"], counts["TOTAL"]) == (3, 1, 4)


def test_a_crowd_switched_off_sends_nobody_until_it_is_switched_on(simulate):
    api = simulate(crowd=True)
    study = api.published()
    api.simulator.crowd.switch(on=False)
    already = len(crowd(api, study))
    api.simulator.advance(600)
    assert len(crowd(api, study)) == already
    api.simulator.crowd.switch(on=True)
    api.simulator.advance(600)
    assert api.status(study) == "AWAITING REVIEW"


def test_the_ledger_lists_each_effect_once_in_the_order_of_virtual_time(simulate):
    api = simulate(crowd=True)
    study = api.published()
    api.simulator.advance(600)
    for row in crowd(api, study):
        decide(api, row["id"], "APPROVE")
        api.simulator.advance(1)
    ledger = api.simulator.state.ledger
    assert api.effects() == ["study_created", "study_published"] + ["submission_approved"] * 3
    assert [effect.n for effect in ledger] == [1, 2, 3, 4, 5]
    assert [effect.at for effect in ledger] == sorted(effect.at for effect in ledger)
    assert [effect.amount_minor for effect in ledger] == [None, 126, 30, 30, 30]
