"""Injected faults, the pages beside the API, and the simulator as a process of its own."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import httpx
import pytest

from providers.prolific.simulator.faults import MIX, Faults, Rule
from providers.prolific.simulator.garbage import GARBAGE
from providers.prolific.simulator.identity import stream

CREATE = "POST studies/"
NO_ANSWER = (httpx.RemoteProtocolError, httpx.ReadError)


@contextmanager
def process(*arguments):
    """The simulator as an operator starts it; ended when the block is left, however it is left."""
    command = [sys.executable, "-m", "providers.prolific.simulator", *arguments]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield child, child.stdout.readline().strip()
    finally:
        child.kill()
        child.communicate()


@pytest.mark.parametrize(
    ("kind", "status", "effects"), [("429", 429, 0), ("500_before", 500, 0), ("500_after", 500, 1)]
)
def test_an_error_answer_comes_with_or_without_the_effect(api, kind, status, effects):
    api.simulator.faults.next(CREATE, kind)
    answer = api.call("POST", "studies/", api.DRAFT)
    assert answer.status_code == status
    assert "Retry-After" not in answer.headers
    assert len(api.effects()) == effects
    assert api.call("POST", "studies/", api.DRAFT).status_code == 201


def test_a_throttled_answer_may_say_how_long_to_wait(api):
    api.simulator.faults.next(CREATE, "429_retry_after", seconds=7)
    assert api.call("POST", "studies/", api.DRAFT).headers["Retry-After"] == "7"
    assert api.effects() == []


@pytest.mark.parametrize(("kind", "effects"), [("drop_before", 0), ("drop_after", 1)])
def test_a_dropped_connection_gives_no_answer_with_or_without_the_effect(api, kind, effects):
    api.simulator.faults.next(CREATE, kind)
    with pytest.raises(NO_ANSWER):
        api.call("POST", "studies/", api.DRAFT)
    assert len(api.effects()) == effects
    assert (api.simulator.calls[-1].status, api.simulator.calls[-1].fault) == (None, kind)


@pytest.mark.parametrize(("kind", "effects"), [("hang_before", 0), ("hang_after", 1)])
def test_a_hanging_call_lasts_until_the_caller_leaves_with_or_without_the_effect(api, kind, effects):
    api.simulator.faults.next(CREATE, kind)
    with pytest.raises(httpx.ReadTimeout):
        api.client.post("studies/", json=api.DRAFT, timeout=0.2)
    assert len(api.effects()) == effects


def test_a_hanging_call_is_cut_when_its_time_is_over(api):
    api.simulator.faults.next(CREATE, "hang_after", seconds=0.1)
    with pytest.raises(NO_ANSWER):
        api.call("POST", "studies/", api.DRAFT)


def test_a_delayed_call_is_answered_in_the_end(api):
    api.simulator.faults.next(CREATE, "delay", seconds=0.2)
    assert api.call("POST", "studies/", api.DRAFT).elapsed.total_seconds() >= 0.2


def test_the_next_calls_to_one_endpoint_fail_and_no_others(api):
    api.simulator.faults.next("GET studies/{id}/*", "429", times=2)
    study = api.draft()
    assert api.call("GET", "studies/").status_code == 200
    answers = [api.call("GET", f"studies/{study}/{path}").status_code for path in ("", "cost/", "")]
    assert answers == [429, 429, 200]


def test_a_share_of_calls_fails_in_every_kind_and_the_same_seed_draws_the_same():
    def drawn(seed):
        faults = Faults(stream(seed, "faults"), [CREATE])
        faults.set([Rule("*", "any", share=0.2)])
        return [fault.kind if (fault := faults.draw(CREATE)) else None for _ in range(2000)]

    first = drawn(1)
    assert 330 < len([kind for kind in first if kind]) < 470
    assert set(first) == {None, *MIX}
    assert first.count("hang_after") < first.count("delay") < first.count("drop_after")
    assert first == drawn(1)
    assert first != drawn(2)


def test_faults_can_be_asked_for_on_every_call_from_the_start(simulate):
    api = simulate(faults=1.0)
    api.simulator.faults.rules[0].kind = "500_after"
    assert api.call("GET", "users/me/").status_code == 500


@pytest.mark.parametrize(
    "rule",
    [Rule("GET nothing/", "429"), Rule("*", "earthquake"), Rule("*", "429", share=2), Rule("*", "429", times=0)],
)
def test_a_rule_that_makes_no_sense_is_refused(api, rule):
    with pytest.raises(ValueError, match=r"."):
        api.simulator.faults.set([rule])


def test_the_pages_beside_the_api_show_what_happened(api):
    study = api.published()
    api.simulator.faults.next("GET users/me/", "429")
    api.call("GET", "users/me/")
    seen = {
        name: api.client.get(f"{api.simulator.url}/simulator/{name}").json() for name in ("state", "ledger", "calls")
    }
    assert seen["state"]["studies"][0]["id"] == study
    assert seen["state"]["wallet"] == {"currency": "GBP", "total": 1_000_000, "available": 1_000_000 - 126}
    assert [effect["kind"] for effect in seen["ledger"]["effects"]] == ["study_created", "study_published"]
    assert seen["calls"]["totals"]["GET users/me/"] == {"calls": 1, "429": 1, "fault 429": 1}
    assert [call["endpoint"] for call in seen["calls"]["calls"]][-1] == "GET users/me/"
    newest = api.client.get(f"{api.simulator.url}/simulator/ledger", params={"last": 1}).json()
    assert [effect["n"] for effect in newest["effects"]] == [2]
    assert newest["kinds"] == {"study_created": 1, "study_published": 1}


def test_the_page_for_people_needs_nothing_from_elsewhere(api):
    page = api.client.get(api.simulator.url)
    assert page.headers["Content-Type"].startswith("text/html")
    assert "http://" not in page.text
    assert "https://" not in page.text


def test_faults_crowd_and_clock_can_be_set_over_http(api):
    def turn(knob, body):
        return api.client.post(f"{api.simulator.url}/simulator/{knob}", json=body)

    before = api.simulator.clock.seconds()
    assert turn("clock", {"advance": 60}).status_code == 200
    assert api.simulator.clock.seconds() == before + 60
    assert turn("crowd", {"on": True}).json() == {"on": True}
    turn("faults", {"rules": [{"endpoint": "*", "kind": "429"}], "next": {"endpoint": "*", "kind": "500_after"}})
    assert [api.call("GET", "users/me/").status_code for _ in range(2)] == [500, 429]
    assert turn("faults", {"rules": []}).json() == []
    assert api.call("GET", "users/me/").status_code == 200
    for knob, body in (("faults", {"rules": [{"kind": "429"}]}), ("clock", {"advance": -1}), ("crowd", [])):
        assert turn(knob, body).status_code == 400


def test_virtual_time_runs_many_times_faster_than_real_time(simulate, eventually):
    api = simulate(speed=600.0, crowd=True)
    study = api.draft()
    api.ok("POST", f"studies/{study}/transition/", {"action": "PUBLISH"})
    eventually(lambda: api.status(study) == "AWAITING REVIEW")


def test_as_a_process_it_says_where_it_listens_and_ends_on_a_signal(tmp_path):
    port_file = tmp_path / "port"
    with process("--port", "0", "--token", "t", "--no-crowd", "--port-file", str(port_file)) as (child, url):
        assert httpx.get(f"{url}/api/v1/users/me/", headers={"Authorization": "Token t"}).status_code == 200
        assert url.endswith(f":{port_file.read_text()}")
        os.kill(child.pid, signal.SIGTERM)
        assert child.wait(10) == 0


def test_as_a_process_it_takes_what_the_crowd_is_like_from_the_command_line():
    with process("--port", "0", "--door", "--late", "0.25", "--hand-approvals", "0.5", "--misreads", "0.1") as (_, url):
        state = httpx.get(f"{url}/simulator/state").json()
        rules = httpx.get(f"{url}/simulator/calls").json()["rules"]
    assert state["crowd"]["habits"] == {"late": 0.25, "hand_approvals": 0.5}
    assert state["door"] == {"on": True, "asked": 0, "answered": 0, "submitted": 0, "failed": {}}
    assert [(rule["kind"], rule["share"]) for rule in rules] == [("misread", 0.1)]


def test_as_a_process_it_refuses_shares_that_make_no_sense_in_one_line():
    command = [sys.executable, "-m", "providers.prolific.simulator", "--late", "0.7", "--returns", "0.7"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("add up to 1 at most.")


@pytest.mark.parametrize("kind", GARBAGE)
def test_nonsense_comes_in_place_of_a_success_with_the_effect_or_without(api, kind):
    api.simulator.faults.next(CREATE, kind)
    answer = api.call("POST", "studies/", api.DRAFT)
    assert answer.is_success
    assert len(api.effects()) == kind.endswith("_after")
    if kind.startswith("other"):
        assert "id" not in answer.json()
    else:
        with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
            answer.json()
