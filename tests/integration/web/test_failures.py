"""When the vendor or the database does not answer, workers are asked to try again and nothing is half done."""

import signal
from time import sleep

import pytest

from cli import postgres
from models.agent import Agent
from models.worker import Worker
from tasks import arrival
from tests.integration.web.page import LOOK, refused
from web import health


@pytest.mark.parametrize(
    ("fault", "seconds"), [("500_before", "5"), ("drop_before", "5"), ("429_retry_after", "1"), ("hang_before", "5")]
)
def test_a_vendor_that_does_not_answer_is_asked_again_later(  # noqa: PLR0913, PLR0917 - the fixtures of a page's scene
    scene, door, timing, caplog, fault, seconds
):
    run = scene.live(1)
    submission = door.come(run)
    worker = door.worker(submission)
    timing(http_deadline=1)
    scene.fault(LOOK, fault)
    answer = door.arrive(run, submission)
    refused(answer, 503, "vendor_silent")
    assert answer.headers["Retry-After"] == seconds
    assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]
    assert (scene.all(Agent), scene.all(Worker), scene.unit_words()) == ([], [], ["launched"])
    assert door.arrive(run, submission).status_code == 200
    for private in (submission, worker, door.key(run)):
        assert private not in caplog.text


def test_an_error_that_nobody_foresaw_is_answered_and_its_text_stays_here(scene, door, monkeypatch, caplog):
    run = scene.live(1)
    submission = door.come(run)

    def fail(*_):
        raise RuntimeError(f"about {submission}")

    monkeypatch.setattr(arrival, "diff", fail)
    answer = door.arrive(run, submission)
    assert submission not in refused(answer, 500, "failed")
    assert "Access-Control-Allow-Origin" in answer.headers
    assert "RuntimeError" in caplog.text
    assert submission not in caplog.text


def test_a_refused_token_puts_workers_off_for_longer(scene, door, monkeypatch):
    run = scene.live(1)
    submission = door.come(run)
    monkeypatch.setenv("CROWDOPS_PROLIFIC_TOKEN", "wrong-and-secret")
    answer = door.arrive(run, submission)
    assert "wrong-and-secret" not in refused(answer, 503, "vendor_silent")
    assert answer.headers["Retry-After"] == "30"
    assert scene.all(Agent) == []


def test_a_database_that_is_down_is_said_and_survived(scene, door, caplog):
    run = scene.live(1)
    submission = door.come(run)
    agent = door.arrive(run, submission).json()["id"]
    headers, wish = door.headers(run), door.wish(run, submission)
    assert (door.client.get("/healthz").status_code, door.client.get("/healthz").json()) == (200, {"ok": True})

    postgres.stop(signal.SIGQUIT)
    work = {"code": "C0DE", "data": {"text": "done"}}
    for path, body in [("/api/v1/agents", wish), (f"/api/v1/agents/{agent}/submit", work)]:
        answer = door.client.post(path, headers=headers, json=body)
        refused(answer, 503, "database_down")
        assert answer.headers["Retry-After"] == "5"
    down = door.client.get("/healthz")
    assert (down.status_code, down.json()) == (503, {"ok": False, "down": ["database"]})
    assert "Traceback" not in caplog.text
    assert submission not in caplog.text

    postgres.start()
    assert door.client.post("/api/v1/agents", headers=headers, json=wish).status_code == 200
    assert door.client.get("/healthz").status_code == 200
    assert len(scene.all(Agent)) == 1


def test_a_database_that_hangs_is_down_within_moments(door, monkeypatch):
    monkeypatch.setattr(health, "PATIENCE", 0.2)
    monkeypatch.setattr(health, "_ask", lambda: sleep(1))
    answer = door.client.get("/healthz")
    assert (answer.status_code, answer.json()["down"]) == (503, ["database"])
    assert answer.elapsed.total_seconds() < 0.9
