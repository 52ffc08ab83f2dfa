"""The example's page does what its worker needs, whatever the door or the browser do."""

from contextlib import closing

import pytest

from tests.integration.web.browser import CHROMIUM, HANDS_IN, SANDBOX, SILENCE, WORK, Browser, Page

TAKEN = {"redirect": None}
AWAY = "https://127.0.0.1:9/finished"
"""Nobody is there, so that a browser that goes there shows nothing of the task's page."""


@pytest.fixture(scope="module")
def browser(needed, tmp_path_factory):
    """A browser that shows one page after the other."""
    needed(CHROMIUM, "Chromium")
    with closing(Browser(tmp_path_factory.mktemp("browser"))) as made:
        yield made


@pytest.mark.parametrize("headers", [{}, SANDBOX], ids=["usual", "where nothing can be kept"])
def test_a_worker_gets_their_work_and_hands_it_in(browser, headers):
    page = Page(WORK, TAKEN, script=HANDS_IN, headers=headers)
    assert page.shown(browser) == {"progress": "Thank you! Your description has been handed in."}
    (_, asked), (path, work) = page.asked
    assert (asked["submission"], asked["worker"]) == ("s1", "w1")
    assert path == "/api/v1/agents/agent-1/submit"
    assert (work["token"], work["code"], work["data"]["text"]) == ("t0ken", "CRWD4DSC", "Trees at a river.")


def test_whoever_has_handed_in_is_told_so_and_not_asked_again(browser):
    page = Page(WORK | {"submitted": True}, script=HANDS_IN)
    assert page.shown(browser) == {"progress": "Thank you! Your description has been handed in."}
    assert len(page.asked) == 1


def test_whoever_has_handed_in_is_led_on(browser):
    shown = Page(WORK | {"submitted": True, "redirect": AWAY}).shown(browser)
    assert shown.keys().isdisjoint({"progress", "trouble", "send"})


@pytest.mark.parametrize("answer", ["<html>Welcome to the café's network</html>", "null", {}, {"id": "agent-1"}])
def test_an_answer_that_is_none_is_not_taken_for_work(browser, answer):
    shown = Page(answer).shown(browser)
    assert shown["trouble-title"] == "Your photograph is not here yet"
    assert "cannot be read" in shown["trouble-detail"]
    assert "Try again" in shown["again"]


@pytest.mark.parametrize("answer", ["<html>Welcome to the café's network</html>", {}])
def test_an_answer_that_is_none_is_not_taken_for_a_receipt(browser, answer):
    shown = Page(WORK, answer, script=HANDS_IN).shown(browser)
    assert shown["trouble-title"] == "Your work is not handed in yet"
    assert "progress" not in shown
    assert shown["send"] == "Hand in"


def test_who_gets_no_answer_for_half_a_minute_is_told_so_and_may_try_again(browser):
    shown = Page(SILENCE).shown(browser)
    assert shown["trouble-title"] == "Your photograph is not here yet"
    assert "cannot be reached" in shown["trouble-detail"]
    assert "Try again" in shown["again"]


def test_nobody_is_shut_out_for_an_hour(browser):
    refusal = {"error": "vendor_silent", "detail": "The vendor does not answer at the moment."}
    shown = Page((503, refusal, {"Retry-After": "3600"})).shown(browser)
    assert 0 < int(shown["again"].split()[-2]) <= 30


def test_who_handed_in_something_else_may_go_on_to_the_end(browser):
    refusal = {"error": "conflict", "detail": "Something else was handed in before.", "redirect": AWAY}
    shown = Page(WORK, (409, refusal), script=HANDS_IN).shown(browser)
    assert (shown["trouble-title"], shown["again"]) == ("There is nothing to do here", "Finish")
    assert "send" not in shown
