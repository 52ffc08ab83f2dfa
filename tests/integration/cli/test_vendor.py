"""`reconcile` brings runs up to date, and `doctor` tells what is wrong and what to do."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import update

from cli import doctor
from cli.main import main
from models import migrations
from models.operation import Operation, State
from models.requester import Requester
from models.session import transaction
from models.settings import settings
from tasks import pacing


def in_review(operation):
    """Bring an operation to where a person must decide."""
    with transaction() as session:
        moved = update(Operation).where(Operation.id == operation.id)
        session.execute(moved.values(state=State.REVIEW, reason="attempts used up"))
    return operation


def test_reconcile_brings_home_what_happened_at_the_vendor(crowdops, scene):
    run = scene.live(2)
    scene.hand_in(run, 2)
    assert "Compared with the vendor: 1 account" in crowdops("reconcile")
    assert scene.units() == ["completed", "completed"]
    listings = scene.calls("GET submissions/")
    crowdops("reconcile", "--requester", "lab")
    assert scene.calls("GET submissions/") == listings
    crowdops("reconcile", "--full")
    assert scene.calls("GET submissions/") > listings


def test_reconcile_without_a_credential_fails(crowdops, scene, monkeypatch):
    scene.live(1)
    monkeypatch.delenv("CROWDOPS_PROLIFIC_TOKEN")
    told = crowdops("reconcile", code=1)
    assert "There is no secret at env:CROWDOPS_PROLIFIC_TOKEN" in told
    assert "this terminal needs the token as well" in told


def test_the_doctor_tells_what_is_wrong_and_what_to_do(capsys, scene):
    pacing.pause(scene.account, "the card expired", None)
    in_review(scene.plan(1) and scene.only("draft"))
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--json"])
    found = {(row["name"], row["state"]): row["told"] for row in json.loads(capsys.readouterr().out)}
    assert ended.value.code == 1
    assert found["schema", "ok"] == f"revision {ScriptDirectory.from_config(migrations.config()).get_current_head()}"
    assert "GBP 10,000.00 available" in found["account lab", "ok"]
    assert "crowdops requester resume lab" in found["account lab", "wrong"]
    assert "crowdops up" in found["workers", "wrong"]
    assert "crowdops ops list --state review" in found["operations", "note"]
    assert found["postgres", "ok"].endswith("CROWDOPS_DATABASE_URL")
    assert found["valkey", "ok"].endswith("CROWDOPS_BROKER_URL")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b'{"ok": true}', ("web", "ok")),
        (b'{"ok": false, "down": ["database"]}', ("web", "wrong")),
        (b"<html>somebody else</html>", ("web", "note")),
    ],
)
def test_the_doctor_asks_the_door_for_tasks_pages_how_it_is(monkeypatch, door_that_says, said, told):
    with door_that_says(said) as url:
        monkeypatch.setenv("CROWDOPS_WEB_URL", url)
        settings.cache_clear()
        (found,) = doctor._web()  # noqa: SLF001 - the rest of the examination takes seconds
    assert (found.name, found.state) == told
    assert url in found.told


@pytest.fixture
def door_that_says():
    """A function that answers one question at a new address."""

    @contextmanager
    def serve(said):
        with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
            done = pool.submit(answer, listener, said)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            assert done.result(10).startswith(b"GET /healthz ")

    def answer(listener, said):
        with listener.accept()[0] as caller:
            asked = caller.recv(65536)
            caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(said), said))
            return asked

    return serve


def test_the_doctor_goes_on_where_something_is_down(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("CROWDOPS_DATABASE_URL", f"postgresql+psycopg://crowdops:hush@/crowdops?host={tmp_path}")
    monkeypatch.setenv("CROWDOPS_BROKER_URL", "redis://:hush@127.0.0.1:1/0")
    with pytest.raises(SystemExit) as ended:
        main(["doctor"])
    told = capsys.readouterr().out
    assert ended.value.code == 1
    for name in ("postgres", "valkey", "schema", "accounts"):
        assert f"wrong\t{name}\t" in told
    assert "hush" not in told


def test_the_doctor_refuses_a_credential_that_the_vendor_refuses(capsys, scene, monkeypatch):
    monkeypatch.setenv("CROWDOPS_PROLIFIC_TOKEN", "not-this-one")
    settings.cache_clear()
    with pytest.raises(SystemExit):
        main(["doctor"])
    told = capsys.readouterr().out
    assert "wrong\taccount lab\tGET /api/v1/users/me/: the vendor refused the credential (HTTP 401" in told
    assert "this terminal needs the token as well" in told
    assert "not-this-one" not in told
    assert scene.all(Requester)[0].paused_reason is None
