"""Real servers for the tests: embedded ones for the session, a fresh database and an empty broker for each test."""

import gc
import os
import shutil
import signal
import tempfile
import time
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import psycopg
import pytest
import redis
from sqlalchemy import make_url

from cli import daemon, postgres, valkey
from cli.servers import embedded
from models import migrations, session
from models.base import Base
from models.settings import SettingsError, settings

MEMORY, ROOM = Path("/dev/shm"), 3 * 2**30  # noqa: S108 - only the directories in it have to be unpredictable
"""Where files are made far more quickly than on some disks; servers and browsers make thousands. The bytes must fit."""
TEMPLATE = "crowdops_template"
CUT_OFF = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'
"""


if "TMPDIR" not in os.environ and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM:
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Those that take longest begin first, so that no core is idle while the last of them ends.

    What shares a fleet stays together, because an idle one works too; and otherwise the tests of a file.
    """
    items.sort(key=lambda item: "smoke" not in item.path.parts)
    for item in items:
        group = "fleet" if "fleet" in item.fixturenames else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))


def pytest_collection_finish():
    """What is there now stays, so the collector of garbage need not go through all of it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _forget():
    """Close what this process holds of its database, and read the environment anew."""
    with suppress(SettingsError):  # Then no server was ever started there.
        session.engine().dispose()
    settings.cache_clear()


@contextmanager
def _environment(**values):
    """Run a block under other `CROWDOPS_` variables."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setenv(f"CROWDOPS_{name}", str(value))
        _forget()
        try:
            yield
        finally:
            _forget()
    settings.cache_clear()


@contextmanager
def _temporary_home(prefix="crowdops-test-"):
    home = Path(tempfile.mkdtemp(prefix=prefix)).resolve()
    # Root's servers run as `nobody`, who must be able to pass.
    home.chmod(0o711 if os.getuid() == 0 else 0o700)
    with _environment(HOME=home):
        sockets = settings().socket_dir
        try:
            yield home
        finally:
            for server in (postgres, valkey):
                server.stop(signal.SIGKILL)
            shutil.rmtree(home)
            shutil.rmtree(sockets, ignore_errors=True)


@pytest.fixture(scope="session")
def temporary_home():
    """A context manager: a new `CROWDOPS_HOME`, whose servers are gone at the end, however the block ended."""
    return _temporary_home


@pytest.fixture
def home(temporary_home):
    """A home of this test alone, in a directory whose name has a space; nothing runs in it yet."""
    with temporary_home("crowdops test ") as made:
        yield made


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_developer():
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("CROWDOPS_")]:
            patch.delenv(name)
        yield


@pytest.fixture(autouse=True)
def _fresh_settings():
    """Nothing that a test says to its environment reaches the next, in whatever order its fixtures end."""
    before = {name: value for name, value in os.environ.items() if name.startswith("CROWDOPS_")}
    settings.cache_clear()
    yield
    for name in [name for name in os.environ if name.startswith("CROWDOPS_")]:
        del os.environ[name]
    os.environ.update(before)
    settings.cache_clear()


@pytest.fixture(scope="session")
def servers():
    """The embedded servers of the session; the value is their home."""
    with _temporary_home() as home, embedded():
        # What is written reaches the system at once, and so outlives any server that is killed here.
        _administer("ALTER SYSTEM SET fsync = off")
        _administer("ALTER SYSTEM SET full_page_writes = off")
        _administer("ALTER SYSTEM SET max_wal_size = '128MB'")
        # With so few rows, to plan a statement anew for its parameters takes longer than to run it.
        _administer("ALTER SYSTEM SET plan_cache_mode = force_generic_plan")
        _administer("SELECT pg_reload_conf()")
        yield home


@pytest.fixture(scope="session")
def _template(servers):  # noqa: ARG001 - a fixture is asked for by its name
    _administer(f"CREATE DATABASE {TEMPLATE}")
    with _environment(DATABASE_URL=_url_of(TEMPLATE)):
        migrations.upgrade()


@pytest.fixture(scope="session")
def _database(_template):
    _administer(f"CREATE DATABASE crowdops_test TEMPLATE {TEMPLATE}")
    yield (url := _url_of("crowdops_test"))
    _sweeper(url).close()


@pytest.fixture
def database_url(_database, monkeypatch):
    """A migrated and empty database, which `CROWDOPS_DATABASE_URL` names.

    What this process is connected with stays connected, because a new connection takes as long as dozens of statements.
    """
    _running(postgres)
    monkeypatch.setenv("CROWDOPS_DATABASE_URL", _database)
    settings.cache_clear()
    yield _database
    _running(postgres)
    _empty(_database)


def _running(server):
    """Start a server that a test has stopped."""
    if daemon.pid(server.NAME) is None:
        server.start()


def _empty(url):
    """Delete every row, which is far quicker than another database; whoever is still at something is cut off."""
    try:
        _sweep(_sweeper(url))
    except psycopg.OperationalError:  # It was stopped and started again.
        _sweeper.cache_clear()
        _sweep(_sweeper(url))


@cache
def _sweeper(url):
    connection = psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
    # No foreign key is looked at, so the order does not matter.
    connection.execute("SET session_replication_role = replica")
    return connection


def _sweep(connection):
    connection.execute(CUT_OFF)
    connection.execute("; ".join(str(table.delete()) for table in Base.metadata.tables.values()))
    connection.execute("INSERT INTO clock (id, ahead) VALUES (gen_random_uuid(), interval '0')")


@pytest.fixture
def broker_url(servers):  # noqa: ARG001 - a fixture is asked for by its name
    """The broker, emptied for this test; `CROWDOPS_BROKER_URL` names it."""
    _running(valkey)
    url = settings().broker()
    with redis.Redis(unix_socket_path=str(settings().socket_dir / "valkey.sock")) as client:
        client.flushall()
    with _environment(BROKER_URL=url):
        yield url


@pytest.fixture(scope="session")
def eventually():
    """A function that polls a condition until it is true, and returns its value."""

    def poll(condition, timeout=10.0, every=0.05):
        deadline = time.monotonic() + timeout
        while not (value := condition()):
            assert time.monotonic() < deadline, f"not true within {timeout:g} s; last seen: {value!r}"
            time.sleep(every)
        return value

    return poll


@pytest.fixture(scope="session")
def needed():
    """A function that ends the test where an optional tool is missing: a skip at home, a failure in CI."""

    def check(tool, what):
        if not tool:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{what} is not here")
        return tool

    return check


def _url_of(database):
    return make_url(settings().database()).set(database=database).render_as_string(hide_password=False)


def _administer(statement):
    with psycopg.connect(_url_of("crowdops").replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(statement)
