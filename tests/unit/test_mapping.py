"""Prolific's words, numbers and studies become ours and back; and what each state proves."""

from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.status import AgentStatus
from providers.contract import Absent, Accepted, Done, Request
from providers.errors import NotSentError, RejectedError, UnknownError
from providers.prolific import evidence, mapping

OPERATION = UUID("0b0e1d52-5a3c-5e0f-9d51-0242ac120002")
BODY = {
    "name": "Labels",
    "description": "Label ten pictures",
    "task_url": "https://tasks.example.org/t?run=7#top",
    "pay_minor": 150,
    "currency": "GBP",
    "estimated_minutes": 10,
    "maximum_minutes": 45,
    "completion_codes": ["C1", "C2"],
    "project": "619e049f7648a4e1f8f3645b",
}
WORDS = {
    "RESERVED": AgentStatus.ACCEPTED,
    "ACTIVE": AgentStatus.IN_TASK,
    "AWAITING REVIEW": AgentStatus.COMPLETED,
    "APPROVED": AgentStatus.APPROVED,
    "PARTIALLY APPROVED": AgentStatus.APPROVED,
    "SCREENED OUT": AgentStatus.APPROVED,
    "REJECTED": AgentStatus.REJECTED,
    "RETURNED": AgentStatus.RETURNED,
    "TIMED-OUT": AgentStatus.TIMEOUT,
    "PROCESSING": None,
    "UNKNOWN": None,
    "NEW WORD": None,
    "": None,
}


@pytest.mark.parametrize(("word", "status"), WORDS.items())
def test_each_word_becomes_its_status_and_unknown_ones_none(word, status):
    assert mapping.agent_status(word) is status


@pytest.mark.parametrize("text", ["AWAITING REVIEW", "awaiting_review", "Awaiting-Review", " AWAITING  REVIEW "])
def test_blanks_underscores_hyphens_and_case_are_alike(text):
    assert mapping.agent_status(text) is AgentStatus.COMPLETED


@given(st.text())
def test_any_text_is_a_short_word_and_a_status_or_none(text):
    assert len(mapping.word(text)) <= 40
    assert mapping.agent_status(text) in {None, *AgentStatus}


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        (0, 0),
        (850, 850),
        (-20, -20),
        (Decimal("283.34"), 283),
        (Decimal("283.50"), 284),
        (Decimal("284.5"), 285),
        (Decimal("-0.5"), -1),
        (Decimal("8.5E+2"), 850),
    ],
)
def test_amounts_are_rounded_half_up_to_minor_units(value, amount):
    assert mapping.minor(value) == amount


@pytest.mark.parametrize("value", [True, None, "850", 8.5, [], Decimal("1e15"), Decimal("1e999999"), 10**4000])
def test_what_is_no_amount_is_refused(value):
    with pytest.raises(ValueError, match="not a number"):
        mapping.minor(value)


def test_counts_are_whole_and_not_negative():
    assert [mapping.whole(value) for value in (0, 40, Decimal("40.0"))] == [0, 40, 40]
    for value in (-1, Decimal("1.5"), True, "4"):
        with pytest.raises(ValueError, match="not a"):
            mapping.whole(value)


def test_a_draft_has_one_place_our_id_and_a_review_for_every_code():
    study = mapping.study(OPERATION, BODY)
    assert study["total_available_places"] == 1
    assert str(OPERATION) in study["internal_name"]
    assert [code["code"] for code in study["completion_codes"]] == ["C1", "C2"]
    assert {action["action"] for code in study["completion_codes"] for action in code["actions"]} == {"MANUALLY_REVIEW"}
    assert (study["reward"], study["estimated_completion_time"], study["maximum_allowed_time"]) == (150, 10, 45)
    assert study["project"] == BODY["project"]


def test_what_a_run_does_not_say_is_left_to_prolific():
    study = mapping.study(OPERATION, BODY | {"maximum_minutes": None, "project": None})
    assert "maximum_allowed_time" not in study
    assert "project" not in study
    assert study["filters"] == []


def test_fields_in_prolifics_own_form_pass_through():
    filters = [{"filter_id": "custom_allowlist", "selected_values": ["619e049f7648a4e1f8f3645b"]}]
    assert mapping.study(OPERATION, BODY | {"filters": filters})["filters"] == filters


def test_the_task_page_gets_prolifics_placeholders_once():
    link = mapping.task_link(BODY["task_url"])
    assert link == (
        "https://tasks.example.org/t?run=7&PROLIFIC_PID={{%PROLIFIC_PID%}}&STUDY_ID={{%STUDY_ID%}}"
        "&SESSION_ID={{%SESSION_ID%}}#top"
    )
    assert mapping.task_link(link) == link


@pytest.mark.parametrize(
    ("status", "proves"),
    [
        ("ACTIVE", Done()),
        ("PAUSED", Done()),
        ("AWAITING REVIEW", Done()),
        ("COMPLETED", Done()),
        ("PUBLISHING", Accepted()),
        ("SCHEDULED", Accepted()),
        ("UNPUBLISHED", Absent()),
    ],
)
def test_a_studys_status_proves_its_publication(status, proves):
    assert evidence.published(status) == proves


@pytest.mark.parametrize(
    ("status", "proves"),
    [
        ("APPROVED", Done),
        ("AWAITING REVIEW", Absent),
        ("RESERVED", Absent),
        ("ACTIVE", Absent),
        ("TIMED OUT", Absent),
        ("REJECTED", RejectedError),
        ("RETURNED", RejectedError),
        ("PARTIALLY APPROVED", RejectedError),
        ("SCREENED OUT", RejectedError),
        ("PROCESSING", UnknownError),
        ("UNKNOWN", UnknownError),
        ("NEWS", UnknownError),
    ],
)
def test_a_submissions_status_proves_its_approval(status, proves):
    assert type(evidence.approved(status)) is proves


def test_an_unknown_word_about_a_study_decides_nothing():
    assert type(evidence.published("NEWS")) is UnknownError


def test_a_launch_is_there_when_the_study_has_its_place():
    request = Request(OPERATION, "launch", "unit", {"places": 40})
    assert [evidence.launched(request, places) for places in (39, 40, 41)] == [Absent(), Done(), Done()]


@pytest.mark.parametrize(
    ("status", "means"),
    [
        ("APPROVED", Done),
        ("AWAITING REVIEW", RejectedError),
        ("REJECTED", RejectedError),
        ("ACTIVE", NotSentError),
        ("TIMED OUT", NotSentError),
        ("PROCESSING", UnknownError),
    ],
)
def test_a_refused_approval_means_what_the_submission_shows(status, means):
    assert type(evidence.approval_refused(RejectedError("no"), status)) is means


def test_a_success_that_does_not_show_is_only_a_promise():
    assert evidence.promised(Absent()) == Accepted()
    assert evidence.promised(Done()) == Done()
