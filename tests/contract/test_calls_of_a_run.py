"""Rejecting, stopping and pausing against the simulator: what one call sends, and what its state proves."""

import pytest

from providers.contract import Absent, Done
from providers.errors import RejectedError
from providers.prolific import calls, reads
from tests.contract.test_calls import RUN
from tests.contract.vendor import one, request

MESSAGE = "The descriptions are single words, although two to four whole sentences were asked for in the task. " * 2
REJECTION = {"category": "LOW_EFFORT", "message": MESSAGE}


def test_a_rejection_is_done_once_and_again_changes_nothing(api, client):
    study = api.published()
    (submission,) = api.finished(study)
    wanted = request("reject", target=submission, body=REJECTION, study_id=study)
    assert one(calls.find(client, "reject", [wanted])) == Absent()
    for _ in range(2):
        assert one(calls.send(client, "reject", [wanted])) == Done()
    assert one(calls.find(client, "reject", [wanted])) == Done()
    assert api.effects().count("submission_rejected") == 1


def test_work_that_was_approved_cannot_be_rejected(api, client):
    study = api.published()
    (submission,) = api.finished(study)
    api.simulator.state.set_status(submission, "APPROVED")
    wanted = request("reject", target=submission, body=REJECTION, study_id=study)
    assert isinstance(one(calls.send(client, "reject", [wanted])), RejectedError)
    assert isinstance(one(calls.find(client, "reject", [wanted])), RejectedError)


def test_a_live_study_is_stopped_once(api, client):
    stop = request("stop", study_id=api.published(total_available_places=3))
    assert one(calls.find(client, "stop", [stop])) == Absent()
    for _ in range(2):
        assert one(calls.send(client, "stop", [stop])) == Done()
    assert one(calls.find(client, "stop", [stop])) == Done()
    assert api.effects().count("study_stopped") == 1


def test_a_draft_is_deleted_instead_and_what_is_gone_is_as_good_as_stopped(api, client):
    study = api.draft()
    stop = request("stop", study_id=study)
    for _ in range(2):
        assert one(calls.send(client, "stop", [stop])) == Done({"study_id": None})
    assert one(calls.find(client, "stop", [stop])) == Done({"study_id": None})
    assert study not in api.simulator.state.studies


def test_what_never_came_to_the_vendor_needs_no_call(api, client):
    before = api.simulator.total_calls()
    assert one(calls.send(client, "stop", [request("stop")])) == Done()
    assert one(calls.find(client, "stop", [request("stop")])) == Done()
    assert api.simulator.total_calls() == before


def test_a_study_is_paused_and_resumed(api, client):
    study = api.published(total_available_places=3)
    pause, resume = request("pause", study_id=study), request("resume", study_id=study)
    assert one(calls.find(client, "pause", [pause])) == Absent()
    for _ in range(2):
        assert one(calls.send(client, "pause", [pause])) == Done()
    assert one(calls.find(client, "resume", [resume])) == Absent()
    assert one(calls.send(client, "resume", [resume])) == Done()
    assert api.status(study) == "ACTIVE"


@pytest.mark.parametrize("kind", ["pause", "resume"])
def test_a_study_that_is_over_is_neither_paused_nor_resumed(api, client, kind):
    study = api.published(total_available_places=3)
    api.ok("POST", f"studies/{study}/transition/", {"action": "STOP"})
    wanted = request(kind, study_id=study)
    assert isinstance(one(calls.send(client, kind, [wanted])), RejectedError)


def test_one_submission_is_looked_at_with_one_read(api, client):
    study = api.published()
    (submission,) = api.finished(study)
    before = api.simulator.total_calls()
    seen = reads.look(client, study, submission)
    assert (seen.submission_id, seen.word) == (submission, "AWAITING REVIEW")
    assert seen.worker_name == api.simulator.state.submissions[submission].participant
    assert api.simulator.total_calls() == before + 1
    with pytest.raises(RejectedError, match="another study"):
        reads.look(client, api.published(), submission)


def test_a_draft_keeps_out_who_took_part_in_the_studies_before_beside_the_filters_of_the_run_file(api, client):
    earlier = [api.published(), api.published()]
    age = {"filter_id": "age", "selected_range": {"lower": 18, "upper": 30}}
    draft = request("draft", body=RUN | {"previous_studies": earlier, "filters": [age]})
    made = one(calls.send(client, "draft", [draft]))
    newcomers = {"filter_id": "previous_studies_blocklist", "selected_values": earlier}
    assert api.ok("GET", f"studies/{made.result['study_id']}/")["filters"] == [age, newcomers]
