"""What cannot be used is refused in a sentence that repeats nothing of it, and nothing is written."""

import json

import pytest

from models.agent import Agent
from tests.integration.web.page import refused
from web.body import MAX_BODY


@pytest.fixture
def run(scene):
    """A run with one place."""
    return scene.live(1)


def test_a_large_body_is_refused_while_it_is_read(scene, run, door, agent):
    def endless():
        yield b'{"code": "C0DE", "data": {"text": "'
        for _ in range(MAX_BODY // 1024 + 8):
            yield b"x" * 1024

    for body in (b"x" * (MAX_BODY + 1), endless()):
        answer = door.client.post(f"/api/v1/agents/{agent}/submit", headers=door.headers(run), content=body)
        refused(answer, 413, "too_large")
        assert "Access-Control-Allow-Origin" in answer.headers
    assert scene.get(Agent, agent).data is None


def test_a_body_of_just_the_limit_is_taken(scene, run, door, agent):
    said = {"token": scene.token(agent), "code": "C0DE"}
    frame = len(json.dumps(said | {"data": {"text": ""}}))
    body = json.dumps(said | {"data": {"text": "x" * (MAX_BODY - frame)}})
    answer = door.client.post(f"/api/v1/agents/{agent}/submit", headers=door.headers(run), content=body)
    assert (len(body), answer.status_code) == (MAX_BODY, 200)
    assert len(scene.get(Agent, agent).data["text"]) == MAX_BODY - frame


UNUSABLE = [
    "",
    "{",
    "[]",
    "\xff",
    '{"code": "C0DE"}',
    '{"code": "C0DE", "data": []}',
    '{"code": "C0DE", "data": {}, "secret-word": 1}',
    '{"code": "C0DE", "data": {"text": "secret-word \\u0000"}}',
    '{"code": "C0DE", "data": {"secret-word \\ud800": 1}}',
    '{"code": "C0DE", "data": {"secret-word": NaN}}',
    '{"code": "C0DE", "data": {"secret-word": 1e999}}',
    '{"code": "C0DE", "data": {"deep": ' + "[" * 5000 + "]" * 5000 + "}}",
    '{"code": "C0DE", "data": {"number": ' + "9" * 5000 + "}}",
    '{"code": ["secret-word"], "data": {}}',
]


HUGE = ["1e308", "-1.5e51", "1e-300", "5e-324", "9" * 52, '[{"deep": 1e60}]']


def test_a_number_that_would_fill_the_database_with_digits_is_refused_by_name(run, door, agent, subtests):
    said = {"headers": door.headers(run) | {"Content-Type": "application/json"}}
    frame = f'{{"token": "{door.scene.token(agent)}", "code": "C0DE", "data": {{"numbers": [true, %s]}}}}'
    for number in [*HUGE, ",".join(["1e308"] * 170_000)]:
        with subtests.test(number=number[:60]):
            answer = door.client.post(f"/api/v1/agents/{agent}/submit", content=frame % number, **said)
            assert "beyond 1e50" in refused(answer, 422, "malformed")
            assert door.scene.get(Agent, agent).data is None
    kept = "1e50, -1e-50, 0, -0.0, 1e23, 9007199254740993, 2.220446049250313e-16"
    assert door.client.post(f"/api/v1/agents/{agent}/submit", content=frame % kept, **said).status_code == 200


def test_work_that_cannot_be_read_or_stored_is_refused(run, door, agent, caplog, subtests):
    token = door.scene.token(agent)
    for body in UNUSABLE:
        with subtests.test(body=body[:60]):
            sent = body.replace('{"code"', f'{{"token": "{token}", "code"').encode("latin-1")
            answer = door.client.post(f"/api/v1/agents/{agent}/submit", headers=door.headers(run), content=sent)
            refused(answer, 422, "malformed")
            assert door.scene.get(Agent, agent).data is None
            assert "secret-word" not in caplog.text
            assert "Traceback" not in caplog.text


WISHES = [
    {"submission": None},
    {"worker": ""},
    {"worker": "a\x00b"},
    {"submission": "x" * 201},
    {"account": 3},
    {"more": 1},
]


def test_a_wish_that_cannot_be_used_is_refused(scene, run, door, subtests):
    person = door.come(run)
    for change in WISHES:
        with subtests.test(**{name: str(value)[:60] for name, value in change.items()}):
            refused(door.arrive(run, person, **change), 422, "malformed")
            assert scene.all(Agent) == []


def test_other_addresses_and_methods_are_refused_in_the_same_form(door):
    refused(door.client.get("/"), 404, "not_found")
    refused(door.client.get("/openapi.json"), 404, "not_found")
    refused(door.client.get("/docs"), 404, "not_found")
    refused(door.client.get("/api/v1/agents"), 405, "method_not_allowed")
