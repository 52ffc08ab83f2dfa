"""The embedded servers: they keep what they hold, serve every process of a checkout, and stop with the last one."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import redis

from cli import daemon, place, postgres, servers, valkey
from models.settings import settings

pytestmark = pytest.mark.usefixtures("home")
ROOT = Path(__file__).parents[2]
HOLD = """
import sys
from cli import daemon, servers
with servers.embedded():
    print(daemon.pid("postgres"), daemon.pid("valkey"), flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process(home, *, wait=True):
    """A second process that uses the servers of a home until its standard input ends."""
    environment = os.environ | {"CROWDOPS_HOME": str(home), "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", HOLD], env=environment, **pipes) as process:
        try:
            process.pids = seen_by(process) if wait else None
            yield process
            process.stdin.close()
            process.wait(20)
        finally:
            process.kill()


def seen_by(process):
    return [int(word) for word in process.stdout.readline().split()]


def pids():
    return [daemon.pid("postgres"), daemon.pid("valkey")]


def query(statement, *values):
    with psycopg.connect(settings().database().replace("+psycopg", ""), autocommit=True) as connection:
        cursor = connection.execute(statement, values)
        return cursor.fetchall() if cursor.description else None


@contextmanager
def broker():
    with redis.Redis(unix_socket_path=str(settings().socket_dir / "valkey.sock"), decode_responses=True) as client:
        yield client


def remember(value):
    query("CREATE TABLE kept (value text)")
    query("INSERT INTO kept VALUES (%s)", value)
    with broker() as client:
        client.set("kept", value)


def remembered():
    with broker() as client:
        return query("SELECT value FROM kept"), client.get("kept")


def test_a_restart_keeps_what_was_stored():
    with servers.embedded():
        remember("this")
    assert pids() == [None, None]
    with servers.embedded():
        assert remembered() == ([("this",)], "this")


def test_a_killed_postgres_comes_back_with_every_committed_row():
    with servers.embedded():
        remember("this")
        postgres.stop(signal.SIGKILL)
        postgres.start()
        assert remembered() == ([("this",)], "this")


def test_a_killed_valkey_comes_back_with_what_it_had_written_down(eventually):
    with servers.embedded():
        remember("this")
        with broker() as client:
            eventually(lambda: client.info("persistence")["aof_pending_bio_fsync"] == 0)
        valkey.stop(signal.SIGKILL)
        valkey.start()
        assert remembered() == ([("this",)], "this")


def test_valkey_can_be_started_empty():
    with servers.embedded():
        remember("this")
        valkey.stop(signal.SIGKILL)
        valkey.start(empty=True)
        assert remembered() == ([("this",)], None)


def test_files_left_by_a_crash_do_not_name_a_living_server():
    with servers.embedded():
        postgres.stop(signal.SIGKILL)
        # After a reboot the number in the pid file may belong to any process of the same user.
        for leftover in (place.data("postgres") / "postmaster.pid", settings().socket_dir / ".s.PGSQL.5432.lock"):
            leftover.write_text(f"{daemon.pid('valkey')}\n")
        assert daemon.pid("postgres") is None
        postgres.start()
        assert query("SELECT 1") == [(1,)]


def test_two_homes_have_servers_of_their_own(home, temporary_home):
    with another_process(home) as process:
        with temporary_home(), servers.embedded():
            assert set(process.pids).isdisjoint(pids())
            remember("elsewhere")
        assert pids() == process.pids
        assert query("SELECT count(*) FROM pg_tables WHERE tablename = 'kept'") == [(0,)]


def test_the_last_user_stops_the_servers(home):
    with another_process(home) as process:
        with servers.embedded():
            assert pids() == process.pids
        assert pids() == process.pids
    assert pids() == [None, None]


def test_commands_that_start_at_once_share_the_servers(home):
    with another_process(home, wait=False) as first, another_process(home, wait=False) as second:
        assert seen_by(first) == seen_by(second) == pids()
    assert pids() == [None, None]


def test_a_second_command_never_loses_its_servers(home):
    with servers.embedded():
        with another_process(home) as process:
            pass
        assert pids() == process.pids
        assert query("SELECT 1") == [(1,)]
    assert pids() == [None, None]


def test_servers_whose_user_was_killed_are_used_and_stopped_by_the_next(home):
    with another_process(home) as process:
        process.kill()
    assert pids() == process.pids
    with servers.embedded():
        assert pids() == process.pids
    assert pids() == [None, None]


def test_a_server_that_the_environment_names_is_not_started(monkeypatch):
    monkeypatch.setenv("CROWDOPS_DATABASE_URL", "postgresql+psycopg://db.example.org/crowdops")
    settings.cache_clear()
    with servers.embedded():
        assert daemon.pid("postgres") is None
        assert daemon.pid("valkey")


def test_status_tells_what_runs_and_what_does_not():
    servers_before = servers.status()
    with servers.embedded():
        database, broker_ = servers.status()
    assert [server.running for server in servers_before] == [False, False]
    assert (database.running, database.version.split(".")[0], database.where) == (
        True,
        "18",
        str(settings().socket_dir),
    )
    assert (broker_.running, broker_.version.split(".")[0]) == (True, "9")


def test_status_reports_the_servers_that_the_environment_names(monkeypatch):
    with servers.embedded():
        monkeypatch.setenv("CROWDOPS_DATABASE_URL", settings().database())
        monkeypatch.setenv("CROWDOPS_BROKER_URL", settings().broker())
        settings.cache_clear()
        database, broker_ = servers.status()
        assert (database.running, database.version[:2], database.where) == (True, "18", "CROWDOPS_DATABASE_URL")
        assert (broker_.running, broker_.version[0], broker_.where) == (True, "9", "CROWDOPS_BROKER_URL")
        postgres.stop()
        valkey.stop()
        assert [server.running for server in servers.status()] == [False, False]


def test_a_failed_start_tells_the_reason_and_stops_the_rest():
    with servers.embedded():
        pass
    (place.data("valkey") / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
    with pytest.raises(place.ServerError, match=r"valkey.*ended[^/]*/.*valkey\.log(.|\n)*manifest"), servers.embedded():
        pass
    assert pids() == [None, None]


def test_an_interrupted_first_start_is_begun_anew(home):
    (home / "postgres.new").mkdir()
    (home / "postgres.new" / "PG_VERSION").write_text("18\n")
    with servers.embedded():
        assert query("SHOW server_encoding") == [("UTF8",)]
