"""Our side of Prolific against the simulator: what each call sends, proves and makes of faults and odd answers."""

import json
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from uuid import UUID, uuid4

import pytest

from models.settings import SettingsError, settings
from models.status import AgentStatus
from providers.contract import Absent, Accepted, Done, Request
from providers.errors import AccountError, NotSentError, RejectedError, ThrottledError, UnknownError
from providers.prolific import calls, reads
from providers.prolific.client import Client, base_url

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


@pytest.fixture(autouse=True)
def _account(monkeypatch):
    monkeypatch.setenv("VENDOR_TOKEN", "test-token")
    monkeypatch.setenv("CROWDOPS_TIMING__HTTP_DEADLINE", "1.5")
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def client(api):
    return Client("env:VENDOR_TOKEN", api.simulator.url)


def request(kind, target="run", body=None, **facts):
    return Request(uuid4(), kind, target, body or {}, facts)


def one(outcomes):
    (outcome,) = outcomes
    return outcome


def approvals(submissions, **facts):
    return [request("approve", submission, **facts) for submission in submissions]


@contextmanager
def vendor(answers):
    """A vendor that answers each path from a table of bodies, or of functions of the query; yields a client."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            path, _, query = self.path.removeprefix("/api/v1/").partition("?")
            answer = answers[path]
            body = json.dumps(answer(query) if callable(answer) else answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_PATCH = do_GET  # noqa: N815 - the names that the server calls

        def log_message(self, *_):
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Client("env:VENDOR_TOKEN", f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
            thread.join()


# The account


def test_the_token_is_proven_by_a_read_and_a_wrong_one_concerns_the_account(api, client, monkeypatch):
    assert client.me() == api.simulator.state.user
    monkeypatch.setenv("VENDOR_TOKEN", "revoked")
    with pytest.raises(AccountError, match=r"refused the credential.*resume"):
        client.me()
    monkeypatch.delenv("VENDOR_TOKEN")
    with pytest.raises(AccountError, match="no secret at env:VENDOR_TOKEN"):
        client.me()


def test_a_quote_holds_fees_and_vat_and_a_balance_what_is_left(api, client):
    workspace = api.simulator.state.workspace
    quote = reads.quote(client, workspace, 30, "GBP", 10)
    assert (quote.total_minor, quote.currency) == (420, "GBP")
    assert reads.balance(client, workspace).total_minor == 1_000_000
    api.published(reward=30, total_available_places=10)
    assert reads.balance(client, workspace).total_minor == 1_000_000 - 420


def test_a_quote_in_another_currency_than_the_workspaces_is_refused(api, client):
    with pytest.raises(RejectedError, match="pays in GBP, but the run is in USD"):
        reads.quote(client, api.simulator.state.workspace, 30, "USD", 10)


@pytest.mark.parametrize(
    ("url", "good"),
    [
        (None, True),
        ("https://prolific.example.org/", True),
        ("http://127.0.0.1:8000", True),
        ("http://localhost:8000", True),
        ("http://[::1]:8000", True),
        ("http://prolific.example.org", False),
        ("http://127.0.0.1.example.org", False),
        ("https://user:pass@prolific.example.org", False),
        ("https://prolific.example.org/?a=b", False),
        ("ftp://127.0.0.1", False),
        ("prolific", False),
    ],
)
def test_a_token_travels_encrypted_or_not_beyond_this_machine(url, good, monkeypatch):
    if url:
        monkeypatch.setenv("CROWDOPS_PROLIFIC_URL", url)
    settings.cache_clear()
    if good:
        assert base_url() == (url or "https://api.prolific.com").rstrip("/")
    else:
        with pytest.raises(SettingsError, match="CROWDOPS_PROLIFIC_URL must be https"):
            base_url()


# Draft


def test_a_draft_is_made_with_one_place_and_found_by_our_id(api, client):
    draft = request("draft", body=RUN | {"project": api.simulator.state.project})
    made = one(calls.send(client, "draft", [draft]))
    shown = api.ok("GET", f"studies/{made.result['study_id']}/")
    assert (shown["status"], shown["total_available_places"], shown["reward"]) == ("UNPUBLISHED", 1, 30)
    assert one(calls.find(client, "draft", [draft])) == made
    assert one(calls.find(client, "draft", [request("draft", body=RUN)])) == Absent()


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


def test_two_studies_under_one_id_are_left_to_a_person(api, client):
    draft = request("draft", body=RUN)
    for _ in range(2):
        calls.send(client, "draft", [draft])
    outcome = one(calls.find(client, "draft", [draft]))
    assert type(outcome) is UnknownError
    assert "delete all but one" in str(outcome)


def test_a_draft_that_prolific_refuses_tells_which_field(client):
    with pytest.raises(RejectedError, match="reward: This field must be a whole number"):
        calls.send(client, "draft", [request("draft", body=RUN | {"pay_minor": 0})])


def test_a_list_that_leaves_names_out_does_not_prove_absence(api):
    draft = Request(UUID(int=7), "draft", "run", RUN)
    study = {"id": ID, "status": "UNPUBLISHED", "total_available_places": 1, "internal_name": f"crowdops {draft.id}"}
    listed = {"results": [{"id": ID, "name": "n"}, {"id": OTHER, "name": "m", "internal_name": None}]}
    with vendor({"studies/": listed, f"studies/{ID}/": study}) as client:
        assert one(calls.find(client, "draft", [draft])) == Done({"study_id": ID})


# Publish


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


# Launch


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


# Approve


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


@pytest.mark.parametrize("fault", SILENT)
def test_an_approval_without_an_answer_is_unknown_and_the_read_tells(api, client, fault):
    approval = approvals(api.finished(api.published()))
    api.simulator.faults.next("POST submissions/{id}/transition/", fault)
    with pytest.raises(UnknownError):
        calls.send(client, "approve", approval)
    assert calls.find(client, "approve", approval) == [Done() if fault.endswith("after") else Absent()]


def test_a_submission_that_does_not_exist_is_refused_and_spoils_no_other(api, client):
    (submission,) = api.finished(api.published())
    mixed = approvals([submission, ID, "not/an id"])
    with pytest.raises(RejectedError):
        calls.send(client, "approve", mixed)
    assert [type(outcome) for outcome in calls.find(client, "approve", mixed)] == [Absent, RejectedError, RejectedError]
    assert calls.find(client, "approve", mixed)[0] == Absent()


def test_a_read_that_fails_half_way_keeps_what_was_read(api, client):
    submissions = sorted(api.finished(api.published(), 3))
    read = []

    def answer(submission):
        read.append(submission)
        return {"id": submission, "status": "APPROVED"} if len(read) == 1 else {"id": submission}

    table = {f"submissions/{one}/": lambda _, one=one: answer(one) for one in submissions}
    with vendor(table) as other:
        outcomes = calls.find(other, "approve", approvals(submissions))
    assert [type(outcome) for outcome in outcomes] == [Done, UnknownError, UnknownError]
    assert len(read) == 2


# Listing


def test_every_submission_is_observed_once_with_its_status_and_word(api, client):
    study = api.published(total_available_places=250)
    made = api.finished(study, 205)
    for submission, status in zip(made, ("TIMED-OUT", "RETURNED", "REJECTED"), strict=False):
        api.simulator.state.set_status(submission, status)
    pages = list(reads.observe(client, study))
    assert [len(page) for page in pages] == [100, 100, 5]
    seen = [observation for page in pages for observation in page]
    assert {observation.submission_id for observation in seen} == set(made)
    assert Counter(observation.status for observation in seen) == {
        AgentStatus.COMPLETED: 202,
        AgentStatus.TIMEOUT: 1,
        AgentStatus.RETURNED: 1,
        AgentStatus.REJECTED: 1,
    }
    assert {observation.word for observation in seen} == {"AWAITING REVIEW", "TIMED OUT", "RETURNED", "REJECTED"}
    participants = {row.participant for row in api.simulator.state.studies[study].submissions}
    assert {observation.worker_name for observation in seen} == participants


def test_an_empty_study_has_no_page_and_an_unknown_one_is_refused(api, client):
    assert list(reads.observe(client, api.published())) == []
    with pytest.raises(RejectedError, match="No study matches"):
        list(reads.observe(client, ID))


def test_counts_show_that_something_moved(api, client):
    study = api.published()
    before = client.counts(study)
    assert before["TOTAL"] == 0
    api.finished(study)
    after = client.counts(study)
    assert (after["TOTAL"], after["AWAITING REVIEW"], after["TIMED OUT"]) == (1, 1, 0)


def _row(number, **changes):
    return {"id": f"{number:024x}", "participant_id": OTHER, "status": "ACTIVE"} | changes


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(lambda _: {"results": [_row(1)]}, id="a server that ignores the page and has no links"),
        pytest.param(
            lambda query: {"results": [_row(1)] if "page=1&" in query else []}, id="an empty page after the last"
        ),
        pytest.param(lambda _: {"results": [_row(1)], "_links": {"next": {"href": None}}}, id="a null link"),
        pytest.param(lambda _: {"results": [_row(1)], "_links": {"next": None}}, id="no next link"),
    ],
)
def test_a_list_ends_however_its_end_is_told(page):
    with vendor({"submissions/": page}) as client:
        assert [[row.submission_id for row in rows] for rows in reads.observe(client, ID)] == [[_row(1)["id"]]]


def test_an_unknown_word_is_passed_on_without_a_status():
    rows = {"results": [_row(1, status="Paid_twice " + "x" * 100)], "_links": {"next": None}}
    with vendor({"submissions/": rows}) as client:
        ((observation,),) = reads.observe(client, ID)
    assert observation.status is None
    assert observation.word.startswith("PAID TWICE XXX")
    assert len(observation.word) == 40


@pytest.mark.parametrize(
    "listing",
    [
        [],
        None,
        {},
        {"results": None},
        {"results": [{}]},
        {"results": [_row(1, id=7)]},
        {"results": [_row(1, id="")]},
        {"results": [_row(1, id="a/../b")]},
        {"results": [_row(1, participant_id="x\n60d9aadeb86739de712faee9,4.25")]},
        {"results": [_row(1, status=None)]},
    ],
)
def test_a_listing_of_the_wrong_shape_is_unknown_and_shows_no_value(listing):
    with vendor({"submissions/": listing}) as client, pytest.raises(UnknownError) as caught:
        list(reads.observe(client, ID))
    assert "60d9" not in str(caught.value)
    assert caught.value.__context__ is None


STUDY = {"id": ID, "status": "ACTIVE", "total_available_places": 5}


@pytest.mark.parametrize(
    "study",
    [
        {},
        [],
        "ok",
        STUDY | {"id": OTHER},
        STUDY | {"status": 1},
        STUDY | {"total_available_places": "5"},
        STUDY | {"total_available_places": 5.5},
        STUDY | {"total_available_places": True},
        STUDY | {"total_available_places": -1},
        {"id": ID, "total_available_places": 5},
    ],
)
def test_an_answer_about_a_study_of_the_wrong_shape_is_unknown(study):
    launch = [request("launch", body={"places": 5}, study_id=ID)]
    with vendor({f"studies/{ID}/": study}) as client:
        for ask in (calls.send, calls.find):
            with pytest.raises(UnknownError):
                ask(client, "launch", launch)


def test_a_success_that_does_not_show_its_effect_is_only_accepted():
    answers = {
        f"studies/{ID}/": STUDY | {"total_available_places": 5.0, "status": "Unpublished"},
        f"studies/{ID}/transition/": STUDY | {"status": "UNPUBLISHED"},
        f"submissions/{ID}/transition/": {"id": ID, "status": "awaiting_review"},
    }
    with vendor(answers) as client:
        launches = [request("launch", body={"places": places}, study_id=ID) for places in (5, 6)]
        assert calls.send(client, "launch", launches) == [Done(), Accepted()]
        assert one(calls.send(client, "publish", [request("publish", study_id=ID)])) == Accepted()
        assert one(calls.send(client, "approve", approvals([ID]))) == Accepted()


def test_words_that_decide_nothing_stay_unknown():
    answers = {
        f"submissions/{ID}/transition/": {"id": ID, "status": "PROCESSING"},
        f"submissions/{ID}/": {"id": ID, "status": "PROCESSING"},
        f"studies/{ID}/": STUDY | {"status": "FROZEN"},
    }
    with vendor(answers) as client:
        assert type(one(calls.send(client, "approve", approvals([ID])))) is UnknownError
        assert type(one(calls.find(client, "approve", approvals([ID])))) is UnknownError
        assert type(one(calls.find(client, "publish", [request("publish", study_id=ID)]))) is UnknownError
