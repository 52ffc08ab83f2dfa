"""Each kind of operation against the simulator: what one call sends, and what it proves after faults."""

from uuid import UUID

import pytest

from models.settings import settings
from providers.contract import Absent, Accepted, Done, Request
from providers.errors import AccountError, NotSentError, RejectedError, ThrottledError, UnknownError
from providers.prolific import calls
from tests.contract.vendor import approvals, one, request, vendor

ID = "60d9aadeb86739de712faee0"
OTHER = "60d9aadeb86739de712faee1"
RUN = {
    "name": "Which picture is sharper?",
    "description": "Look at two pictures and choose.",
    "task_url": "https://example.com/task",
    "pay_minor": 30,
    "currency": "GBP",
    "estimated_minutes": 2,
    "completion_codes": ["C0DE"],
}
SILENT = ["500_before", "500_after", "drop_before", "drop_after", "hang_before", "hang_after"]


@pytest.fixture
def _impatient(monkeypatch):
    """A short deadline, where some answers never come."""
    monkeypatch.setenv("CROWDOPS_TIMING__HTTP_DEADLINE", "2")
    settings.cache_clear()


def test_a_draft_is_made_with_one_place_and_found_by_our_id(api, client):
    draft = request("draft", body=RUN | {"project": api.simulator.state.project})
    made = one(calls.send(client, "draft", [draft]))
    shown = api.ok("GET", f"studies/{made.result['study_id']}/")
    assert (shown["status"], shown["total_available_places"], shown["reward"]) == ("UNPUBLISHED", 1, 30)
    assert one(calls.find(client, "draft", [draft])) == made
    assert one(calls.find(client, "draft", [request("draft", body=RUN)])) == Absent()


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("fault", SILENT)
def test_a_draft_without_an_answer_is_unknown_and_the_read_tells(api, client, fault):
    draft = request("draft", body=RUN)
    api.simulator.faults.next("POST studies/", fault)
    with pytest.raises(UnknownError):
        calls.send(client, "draft", [draft])
    found = one(calls.find(client, "draft", [draft]))
    assert type(found) is (Done if fault.endswith("after") else Absent)
    assert api.effects() == ["study_created"] * fault.endswith("after")


def test_a_draft_is_found_behind_many_pages_and_after_it_was_published(api, client):
    draft = request("draft", body=RUN | {"project": api.simulator.state.project})
    study = one(calls.send(client, "draft", [draft])).result["study_id"]
    api.ok("POST", f"studies/{study}/transition/", {"action": "PUBLISH"})
    for _ in range(100):
        api.draft()
    assert one(calls.find(client, "draft", [draft])) == Done({"study_id": study})
    assert one(calls.find(client, "draft", [request("draft", body=RUN)])) == Absent()


def test_two_studies_under_one_id_are_left_to_a_person(client):
    draft = request("draft", body=RUN)
    for _ in range(2):
        calls.send(client, "draft", [draft])
    outcome = one(calls.find(client, "draft", [draft]))
    assert type(outcome) is UnknownError
    assert "delete all but one" in str(outcome)


def test_a_draft_that_prolific_refuses_tells_which_field(client):
    with pytest.raises(RejectedError, match="reward: This field must be a whole number"):
        calls.send(client, "draft", [request("draft", body=RUN | {"pay_minor": 0})])


def test_a_list_that_leaves_names_out_does_not_prove_absence():
    draft = Request(UUID(int=7), "draft", "run", RUN)
    study = {"id": ID, "status": "UNPUBLISHED", "total_available_places": 1, "reward": RUN["pay_minor"]}
    study["internal_name"] = f"crowdops {draft.id}"
    listed = {"results": [{"id": ID, "name": "n"}, {"id": OTHER, "name": "m", "internal_name": None}]}
    with vendor({"studies/": listed, f"studies/{ID}/": study}) as client:
        assert one(calls.find(client, "draft", [draft])) == Done({"study_id": ID})


def test_a_draft_that_pays_something_else_than_was_asked_for_is_refused():
    made = {"id": ID, "status": "UNPUBLISHED", "total_available_places": 1, "reward": RUN["pay_minor"] * 100}
    with vendor({"studies/": made}) as client:
        refused = one(calls.send(client, "draft", [Request(UUID(int=7), "draft", "run", RUN)]))
    assert isinstance(refused, RejectedError)
    assert "pays 3000 where 30 was asked for" in str(refused)


def test_publishing_is_accepted_and_done_once_the_study_is_live(api, client):
    publish = request("publish", study_id=api.draft())
    assert one(calls.find(client, "publish", [publish])) == Absent()
    assert one(calls.send(client, "publish", [publish])) == Accepted()
    assert one(calls.find(client, "publish", [publish])) == Accepted()
    api.simulator.advance(3)
    assert one(calls.find(client, "publish", [publish])) == Done()


def test_publishing_again_is_success_and_has_no_second_effect(api, client):
    publish = request("publish", study_id=api.published())
    assert one(calls.send(client, "publish", [publish])) == Done()
    assert api.effects().count("study_published") == 1


def test_a_lack_of_funds_concerns_the_account_at_publish_and_at_launch(api, client):
    rich = api.draft(reward=400_000, total_available_places=10)
    with pytest.raises(AccountError, match=r"Insufficient funds.*Add funds.*resume"):
        calls.send(client, "publish", [request("publish", study_id=rich)])
    study = api.published()
    with pytest.raises(AccountError, match="Insufficient funds"):
        calls.send(client, "launch", [request("launch", body={"places": 1_000_000}, study_id=study)])
    assert one(calls.find(client, "publish", [request("publish", study_id=rich)])) == Absent()


def test_without_a_study_nothing_is_published_or_launched(client):
    for kind in ("publish", "launch"):
        with pytest.raises(NotSentError, match="no study at Prolific yet"):
            calls.send(client, kind, [request(kind, body={"places": 2})])
    with pytest.raises(RejectedError, match="No study matches"):
        calls.send(client, "publish", [request("publish", study_id=ID)])


def test_a_batch_of_launches_is_one_update_to_the_highest_place(api, client):
    study = api.published(total_available_places=1)
    launches = [request("launch", body={"places": places}, study_id=study) for places in (4, 2, 3)]
    assert calls.find(client, "launch", launches) == [Absent()] * 3
    assert calls.send(client, "launch", launches) == [Done()] * 3
    assert calls.find(client, "launch", launches) == [Done()] * 3
    assert [effect.places for effect in api.simulator.state.ledger if effect.kind == "places_set"] == [4]


def test_a_late_launch_of_fewer_places_is_success_without_effect(api, client):
    study = api.published(total_available_places=8)
    late = [request("launch", body={"places": places}, study_id=study) for places in (3, 5)]
    assert calls.send(client, "launch", late) == [Done()] * 2
    assert api.simulator.state.studies[study].places == 8


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("fault", SILENT)
def test_a_launch_without_an_answer_is_unknown_and_the_read_tells(api, client, fault):
    launches = [request("launch", body={"places": 5}, study_id=api.published())]
    api.simulator.faults.next("PATCH studies/{id}/", fault)
    with pytest.raises(UnknownError):
        calls.send(client, "launch", launches)
    assert calls.find(client, "launch", launches) == [Done() if fault.endswith("after") else Absent()]


@pytest.mark.parametrize(("fault", "wait"), [("429", None), ("429_retry_after", 7)])
def test_throttling_is_told_with_the_wait_that_was_asked_for(api, client, fault, wait):
    study = api.published()
    api.simulator.faults.next("PATCH studies/{id}/", fault, seconds=wait)
    with pytest.raises(ThrottledError) as caught:
        calls.send(client, "launch", [request("launch", body={"places": 5}, study_id=study)])
    assert caught.value.retry_after == wait


def test_one_approval_is_done_at_once_and_again_without_a_second_effect(api, client):
    (submission,) = api.finished(api.published())
    (approval,) = approvals([submission])
    assert one(calls.find(client, "approve", [approval])) == Absent()
    for _ in range(2):
        assert one(calls.send(client, "approve", [approval])) == Done()
    assert one(calls.find(client, "approve", [approval])) == Done()
    assert api.effects().count("submission_approved") == 1


@pytest.mark.parametrize("known", [True, False])
def test_many_approvals_are_one_call_that_is_accepted_and_done_later(api, client, known):
    study = api.published(total_available_places=12)
    many = approvals(api.finished(study, 12), **({"study_id": study} if known else {}))
    assert calls.send(client, "approve", many) == [Accepted()] * 12
    assert calls.find(client, "approve", many) == [Absent()] * 12
    api.simulator.advance(60)
    before = api.simulator.total_calls()
    assert calls.find(client, "approve", many) == [Done()] * 12
    assert api.simulator.total_calls() - before == (1 if known else 12)
    assert api.effects().count("submission_approved") == 12


def test_approvals_that_the_newest_pages_do_not_show_are_read_singly(api, client):
    study = api.published(total_available_places=310)
    old = api.finished(study, 4)
    api.simulator.advance(60)
    api.finished(study, 300)
    assert calls.find(client, "approve", approvals(old, study_id=study)) == [Absent()] * 4
    assert api.simulator.totals["GET submissions/"]["calls"] == 1
    assert api.simulator.totals["GET submissions/{id}/"]["calls"] == 4


@pytest.mark.parametrize("status", ["REJECTED", "RETURNED", "PARTIALLY APPROVED", "SCREENED OUT"])
def test_work_that_was_decided_otherwise_cannot_be_approved(api, client, status):
    (submission,) = api.finished(api.published())
    api.simulator.state.set_status(submission, status)
    approval = approvals([submission])
    for outcome in (one(calls.send(client, "approve", approval)), one(calls.find(client, "approve", approval))):
        assert type(outcome) is RejectedError
        assert status in str(outcome)


@pytest.mark.parametrize("status", ["RESERVED", "ACTIVE", "TIMED-OUT"])
def test_an_approval_that_comes_too_early_waits_instead_of_failing(api, client, status):
    submission = api.simulator.state.take_place(api.published()).id
    api.simulator.state.set_status(submission, status)
    approval = approvals([submission])
    assert type(one(calls.send(client, "approve", approval))) is NotSentError
    assert one(calls.find(client, "approve", approval)) == Absent()
    api.simulator.state.finish(submission)
    assert one(calls.send(client, "approve", approval)) == Done()


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("fault", SILENT)
def test_an_approval_without_an_answer_is_unknown_and_the_read_tells(api, client, fault):
    approval = approvals(api.finished(api.published()))
    api.simulator.faults.next("POST submissions/{id}/transition/", fault)
    with pytest.raises(UnknownError):
        calls.send(client, "approve", approval)
    assert calls.find(client, "approve", approval) == [Done() if fault.endswith("after") else Absent()]


def test_a_read_of_a_submission_that_does_not_exist_tells_nothing_and_spoils_no_other(api, client):
    (submission,) = api.finished(api.published())
    mixed = approvals([submission, ID, "not/an id"])
    with pytest.raises(RejectedError):
        calls.send(client, "approve", mixed)
    outcomes = calls.find(client, "approve", mixed)
    assert outcomes[0] == Absent()
    assert all(isinstance(outcome, UnknownError) for outcome in outcomes[1:])


def test_a_read_that_fails_half_way_keeps_what_was_read():
    submissions = [f"{number:024x}" for number in range(3)]
    read = []

    def answer(submission):
        read.append(submission)
        return {"id": submission, "status": "APPROVED"} if len(read) == 1 else {"id": submission}

    table = {f"submissions/{one}/": lambda _, one=one: answer(one) for one in submissions}
    with vendor(table) as other:
        outcomes = calls.find(other, "approve", approvals(submissions))
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Done", "UnknownError", "UnknownError"]
    assert isinstance(outcomes[submissions.index(read[0])], Done)
    assert len(read) == 2
