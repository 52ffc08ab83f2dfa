"""What the simulator promises about browsers: the crowd works through the web door that the task's URL names."""

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from time import sleep

import pytest

from providers.prolific.simulator.task_page import answer_to
from tests.listening import listening

IDS = "pid={{%PROLIFIC_PID%}}&study={{%STUDY_ID%}}&session={{%SESSION_ID%}}"
DATA = {"pictures": ["left.png", "right.png"]}


class Door:
    """Writes down what it is asked and answers with `status`, by default as crowdops does."""

    def __init__(self):
        self.seen, self.status, self.body, self.delay = [], 200, None, 0.0

    def answer(self, path, headers, body):
        """The status and the JSON for one request."""
        self.seen.append((path, {name.title(): value for name, value in headers.items()}, body))
        sleep(self.delay)
        if self.body is not None or self.status >= 300:
            return self.status, self.body or {}
        if path.endswith("/submit"):
            return 200, {"redirect": "https://app.prolific.com/submissions/complete?cc=C0DE"}
        return 201, {"id": "agent-1", "token": "t0ken", "data": DATA}

    @contextmanager
    def open(self):
        """Listen for as long as the block lasts; yields the port."""
        door = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, shown = door.answer(self.path, dict(self.headers), body)
                payload = json.dumps(shown).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *_):
                """Stay silent."""

        with listening(Handler) as port:
            yield port


@pytest.fixture
def door():
    return Door()


class Scene:
    """One participant who was sent into a study behind a door, and virtual time in small steps."""

    def __init__(self, api, port, eventually, **fields):
        self.api, self.eventually = api, eventually
        url = f"https://tasks.example/compare?api=http://127.0.0.1:{port}&key=k3y&account=lab&run=r1&{IDS}"
        self.study = api.published(maximum_allowed_time=20, **{"external_study_url": url} | fields)
        self.submission = api.simulator.crowd.send(self.study)
        api.simulator.advance(20)

    def until(self, condition, step=5):
        """Let virtual time pass until something is so."""

        def passed():
            self.api.simulator.advance(step)
            return condition()

        self.eventually(passed)

    def shown(self):
        """What the panel says of the door."""
        return self.api.client.get(f"{self.api.simulator.url}/simulator/state").json()["door"]


def test_a_participant_asks_the_door_for_work_and_hands_it_in_there_first(simulate, door, eventually):
    with door.open() as port:
        scene = Scene(simulate(door=True), port, eventually)
        eventually(lambda: scene.shown()["answered"])
        assert (scene.submission.status, scene.submission.code) == ("ACTIVE", None)
        scene.until(lambda: scene.submission.status == "AWAITING REVIEW")
    (asked, headers, wish), (submitted, _headers, work) = door.seen
    assert (asked, submitted) == ("/api/v1/agents", "/api/v1/agents/agent-1/submit")
    assert (headers["Authorization"], headers["Origin"]) == ("Bearer k3y", "https://tasks.example")
    assert wish == {
        "provider": "prolific",
        "account": "lab",
        "run": "r1",
        "submission": scene.submission.id,
        "worker": scene.submission.participant,
    }
    assert work == {"token": "t0ken", "code": "C0DE", "data": {"answer": answer_to(DATA)}}
    assert scene.submission.code == "C0DE"
    assert scene.shown() == {"on": True, "asked": 1, "answered": 1, "submitted": 1, "failed": {}}


def test_without_an_api_in_the_url_the_door_is_where_the_page_is(simulate, door, eventually):
    with door.open() as port:
        url = f"http://127.0.0.1:{port}/task?key=k3y&account=lab&run=r1&{IDS}"
        scene = Scene(simulate(door=True), port, eventually, external_study_url=url)
        scene.until(lambda: scene.submission.status == "AWAITING REVIEW")
    assert door.seen[0][1]["Origin"] == f"http://127.0.0.1:{port}"


def test_a_door_that_fails_is_asked_again_until_it_answers(simulate, door, eventually):
    door.status = 503
    with door.open() as port:
        scene = Scene(simulate(door=True), port, eventually)
        scene.until(lambda: scene.shown()["failed"].get("503", 0) > 2)
        door.status, door.body = 200, {"id": "agent-1"}
        scene.until(lambda: scene.shown()["failed"].get("bad answer"))
        door.body = None
        scene.until(lambda: scene.shown()["answered"])
        door.status = 409
        scene.until(lambda: scene.shown()["failed"].get("409"))
        assert scene.submission.status == "ACTIVE"
        door.status = 200
        scene.until(lambda: scene.submission.status == "AWAITING REVIEW")


def test_a_door_that_nobody_opens_leaves_the_submission_to_time_out(simulate, door, eventually):
    with door.open() as port:
        pass
    scene = Scene(simulate(door=True), port, eventually)
    scene.until(lambda: scene.shown()["failed"].get("no answer", 0) > 1)
    scene.until(lambda: scene.submission.status == "TIMED-OUT", step=60)
    assert scene.shown()["answered"] == 0


def test_a_door_that_hangs_holds_up_nobody(simulate, door, eventually):
    door.delay = 0.5
    with door.open() as port:
        scene = Scene(simulate(door=True), port, eventually)
        eventually(lambda: door.seen)
        assert scene.api.call("GET", "users/me/").elapsed.total_seconds() < 0.4
        assert scene.shown()["answered"] == 0
        eventually(lambda: scene.shown()["answered"])


@pytest.mark.parametrize("lost", ["key=k3y&", "run=r1&", "session={{%SESSION_ID%}}", "pid={{%PROLIFIC_PID%}}&"])
def test_a_page_whose_url_lacks_something_asks_for_nothing(simulate, door, eventually, lost):
    with door.open() as port:
        url = f"http://127.0.0.1:{port}/task?key=k3y&account=lab&run=r1&{IDS}".replace(lost, "")
        scene = Scene(simulate(door=True), port, eventually, external_study_url=url)
        assert scene.shown()["failed"] == {"bad url": 1}
        scene.until(lambda: scene.submission.status == "TIMED-OUT", step=600)
    assert door.seen == []


def test_who_comes_back_late_hands_in_what_was_asked_for_in_time(simulate, door, eventually):
    with door.open() as port:
        scene = Scene(simulate(door=True, late=1.0), port, eventually)
        eventually(lambda: scene.shown()["answered"])
        scene.until(lambda: scene.submission.status == "TIMED-OUT", step=60)
        scene.until(lambda: scene.submission.status == "AWAITING REVIEW", step=60)
    assert [path for path, *_ in door.seen][1:] == ["/api/v1/agents/agent-1/submit"]


def test_a_wrong_code_goes_to_the_door_as_to_prolific(simulate, door, eventually):
    with door.open() as port:
        scene = Scene(simulate(door=True, wrong_codes=1.0), port, eventually)
        eventually(lambda: scene.shown()["answered"])
        scene.until(lambda: scene.submission.status == "AWAITING REVIEW")
    assert (door.seen[1][2]["code"], scene.submission.code) == ("NOCODE", "NOCODE")


def test_a_crowd_works_through_the_door_on_a_running_clock(simulate, door, eventually):
    with door.open() as port:
        api = simulate(door=True, crowd=True, speed=60.0, arrivals=600)
        url = f"http://127.0.0.1:{port}/task?key=k3y&account=lab&run=r1&{IDS}"
        study = api.ok("POST", "studies/", api.DRAFT | {"external_study_url": url, "total_available_places": 20})["id"]
        api.ok("POST", f"studies/{study}/transition/", {"action": "PUBLISH"})
        eventually(lambda: api.status(study) == "AWAITING REVIEW")
    assert len(door.seen) == 40
