"""Scripts of the pages of open runs may talk to the door, and those of no other site."""

import pytest
from sqlalchemy import update

from models.session import transaction
from models.settings import settings
from models.task_run import TaskRun
from tests.integration.web.page import PAGE, refused
from web import origins
from web.origins import origin_of


@pytest.fixture(autouse=True)
def _forgetful(monkeypatch):
    monkeypatch.setattr(origins, "FRESH", 0.0)


def test_the_page_of_a_run_may_ask_and_read_the_answer(scene, door):
    run = scene.live(1)
    before = door.preflight(PAGE)
    assert (before.status_code, before.headers["Access-Control-Allow-Origin"]) == (200, PAGE)
    assert "Access-Control-Allow-Credentials" not in before.headers
    answer = door.arrive(run, door.come(run))
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, PAGE)
    assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize("origin", ["https://evil.example", "http://example.org", "https://example.org:8443", "null"])
def test_no_other_page_may(scene, door, origin):
    run = scene.live(1)
    before = door.preflight(origin)
    assert before.status_code == 400
    assert "Access-Control-Allow-Origin" not in before.headers
    answer = door.arrive(run, door.come(run), headers={"Origin": origin})
    refused(answer, 403, "wrong_origin")
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_only_posts_may_come_from_a_page(scene, door):
    scene.live(1)
    assert door.preflight(PAGE, method="DELETE").status_code == 400


def test_the_page_of_one_run_may_not_ask_for_another(scene, door):
    mine, other = scene.live(1, "mine"), scene.live(1, "other")
    with transaction() as session:
        moved = update(TaskRun).where(TaskRun.id == other).values(task_url="https://elsewhere.example/task")
        session.execute(moved)
    assert door.preflight("https://elsewhere.example").status_code == 200
    refused(door.arrive(mine, door.come(mine), headers={"Origin": "https://elsewhere.example"}), 403, "wrong_origin")


def test_the_page_of_a_completed_run_is_told_that_it_is_over(scene, door):
    run = scene.live(1)
    submission = door.come(run)
    scene.simulator.state.set_status(submission, "RETURNED")
    with transaction() as session:
        session.execute(update(TaskRun).where(TaskRun.id == run).values(is_completed=True))
    assert door.preflight(PAGE).status_code == 200
    answer = door.arrive(run, submission)
    refused(answer, 410, "over")
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE


def test_origins_are_remembered_for_a_moment_only(scene, door, monkeypatch, eventually):
    monkeypatch.setattr(origins, "FRESH", 0.5)
    assert door.preflight(PAGE).status_code == 400
    scene.live(1)
    eventually(lambda: door.preflight(PAGE).status_code == 200)


@pytest.mark.parametrize("named", [False, True])
def test_a_page_at_the_door_itself_may_ask_and_so_may_no_browser_at_all(scene, door, monkeypatch, named):
    run = scene.live(1)
    own = door.url
    if named:
        own = "https://crowd.example.org"
        monkeypatch.setenv("CROWDOPS_WEB_URL", f"{own}/behind/a/proxy")
        settings.cache_clear()
    submission = door.come(run)
    assert door.arrive(run, submission, headers={"Origin": own}).status_code == 200
    assert door.arrive(run, submission, headers={"Origin": None}).status_code == 200


def test_origins_are_written_as_browsers_write_them():
    assert origin_of("https://Tasks.Example.org:443/a?b={{%SESSION_ID%}}") == "https://tasks.example.org"
    assert origin_of("http://127.0.0.1:8080/page") == "http://127.0.0.1:8080"
    assert origin_of("https://bücher.example/x") == "https://xn--bcher-kva.example"
    assert origin_of("https://[::1]:9/x") == "https://[::1]:9"
    assert origin_of("not an address") is None
    assert origin_of("https://xn--/task") is None
