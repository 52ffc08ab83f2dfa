"""What is read from Prolific, against the simulator and against odd answers: money, counts, and lists to their end."""

from collections import Counter

import pytest

from models.settings import SettingsError, settings
from models.status import AgentStatus
from providers.contract import Accepted, Done
from providers.errors import AccountError, RejectedError, UnknownError
from providers.prolific import calls, reads
from providers.prolific.client import base_url
from tests.contract.vendor import approvals, one, request, vendor

ID = "60d9aadeb86739de712faee0"
OTHER = "60d9aadeb86739de712faee1"


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


@pytest.mark.parametrize("shown", [[1.5], ["150"], [None], [True], [-150], "150", None, {"150": 1}])
def test_payments_in_another_shape_than_minor_units_are_unknown(shown):
    answer = {"id": ID, "bonus_payments": shown}
    with vendor({f"submissions/{ID}/": answer}) as client, pytest.raises(UnknownError):
        client.bonus_payments(ID)


def test_payments_that_are_left_out_are_not_none():
    with vendor({f"submissions/{ID}/": {"id": ID}}) as client, pytest.raises(UnknownError):
        client.bonus_payments(ID)
