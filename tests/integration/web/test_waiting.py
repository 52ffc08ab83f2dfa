"""Workers wait for a slow vendor as briefly as can be, and those who need nothing of it do not wait at all."""

import socket
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest

from models.agent import Agent
from tasks import asking, pacing
from tests.integration.web.page import LOOK, refused
from web import app as entrance
from web import turn


@pytest.fixture(autouse=True)
def _one_turn(monkeypatch):
    monkeypatch.setattr(entrance, "ASKING", 1)


@pytest.fixture
def hung(scene, door, eventually, monkeypatch):
    """A function that lets somebody come while the vendor hangs, for some seconds; their answer comes in the future."""
    monkeypatch.setattr(asking, "PATIENCE", 3.0)
    with ThreadPoolExecutor(1) as pool:

        def come(run):
            scene.fault(LOOK, "hang_before")
            submission, calls = door.come(run), scene.calls(LOOK)
            answer = pool.submit(door.arrive, run, submission)
            eventually(lambda: scene.calls(LOOK) > calls)
            return answer

        yield come


def test_a_vendor_that_hangs_holds_up_nobody_who_is_known_and_others_for_a_moment(scene, door, hung, monkeypatch):
    monkeypatch.setattr(turn, "PATIENCE", 0.2)
    run = scene.live(3)
    submission, other = door.come(run), door.come(run)
    first = door.arrive(run, submission)
    waiting = hung(run)
    assert door.arrive(run, submission).json() == first.json()
    assert door.submit(run, first.json()["id"], {}).status_code == 200
    answer = door.arrive(run, other)
    refused(answer, 503, "busy")
    assert answer.headers["Retry-After"] == "5"
    assert not waiting.done()
    refused(waiting.result(), 503, "vendor_silent")
    assert door.arrive(run, other).status_code == 200


def test_for_a_browser_that_has_gone_away_the_vendor_is_not_asked(scene, door, hung, caplog):
    run = scene.live(3)
    gone, last = door.come(run), door.come(run)
    waiting = hung(run)
    wish = {"headers": door.headers(run), "json": door.wish(run, gone)}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{door.url}/api/v1/agents", timeout=0.5, **wish)
    assert not waiting.done()
    assert door.arrive(run, last).status_code == 200
    assert scene.calls(LOOK) == 2
    assert len(scene.all(Agent)) == 1
    assert "ERROR" not in {record.levelname for record in caplog.records}


def test_a_browser_that_goes_away_in_the_middle_of_a_sentence_is_nobodys_error(scene, door, caplog):
    run = scene.live(1)
    address = urlsplit(door.url)
    with socket.create_connection((address.hostname, address.port)) as browser:
        head = f"POST /api/v1/agents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {door.key(run)}\r\n"
        browser.sendall(f'{head}Content-Length: 100\r\n\r\n{{"provider"'.encode())
    for _ in range(3):
        assert door.client.get("/healthz").status_code == 200
    assert "ERROR" not in {record.levelname for record in caplog.records}


def test_a_paused_account_is_said_and_its_vendor_not_asked(scene, door):
    run = scene.live(1)
    pacing.pause(scene.account, "the token is refused", None)
    answer = door.arrive(run, door.come(run))
    assert "paused" in refused(answer, 503, "paused")
    assert answer.headers["Retry-After"] == "30"
    assert scene.calls(LOOK) == 0


def test_nobody_is_put_off_for_as_long_as_a_vendor_may_ask_for(scene, door):
    run = scene.live(1)
    scene.fault(LOOK, "429_retry_after", seconds=3600)
    answer = door.arrive(run, door.come(run))
    assert "30 seconds" in refused(answer, 503, "vendor_silent")
    assert answer.headers["Retry-After"] == "30"
