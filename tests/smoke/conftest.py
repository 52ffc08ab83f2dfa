"""The project's own processes on a database of their own, driven through pytest-celery's nodes and clusters.

One worker and one beat serve every test; what a test breaks is mended before the next.
"""

from itertools import count

import psycopg
import pytest
from pytest_celery import (
    CeleryBrokerCluster,
    CeleryTestBroker,
    CeleryTestNode,
    CeleryTestSetup,
    CeleryTestWorker,
    CeleryWorkerCluster,
)
from sqlalchemy import make_url

from cli import postgres
from models import session
from models.settings import settings
from providers.prolific.simulator.server import running
from providers.prolific.simulator.simulator import Options
from tasks.celery import app
from tests.smoke.containers import Beat, Valkey, Worker

pytest.register_assert_rewrite("tests.smoke.job")
_numbers = count(1)
_started = []
"""Every process that was started here, and not for one test alone."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item, nextitem):  # noqa: ARG001 - the hook's names
    """An idle fleet works all the time; it ends when no test here is next, and `fleet` starts it when one is."""
    if nextitem is None or "smoke" not in nextitem.path.parts:
        for one in _started:
            one.teardown()
    yield


def pytest_configure(config):
    """Declare the mark that every test here carries."""
    config.addinivalue_line("markers", "smoke: starts the project's own processes")


@pytest.fixture(scope="session")
def simulator():
    """A simulated Prolific for all smoke tests: a minute passes in a second, and nobody comes by themselves."""
    with running(Options(speed=60.0, crowd=False)) as made:
        yield made


@pytest.fixture(scope="session")
def environment(_template, simulator):
    """What every process of these tests gets to know."""
    everything = make_url(settings().database())
    with psycopg.connect(settings().database().replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE DATABASE crowdops_smoke TEMPLATE crowdops_template")
    return {
        "CROWDOPS_PROFILE": "quick",
        "CROWDOPS_DATABASE_URL": everything.set(database="crowdops_smoke").render_as_string(hide_password=False),
        "CROWDOPS_BROKER_URL": settings().broker(),
        "CROWDOPS_PROLIFIC_URL": simulator.url,
        "CROWDOPS_PROLIFIC_TOKEN": simulator.options.token,
    }


@pytest.fixture
def _here(environment, monkeypatch):
    """The test itself plans and looks in the same database."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    yield
    session.engine().dispose()


@pytest.fixture(scope="session")
def start(environment, tmp_path_factory):
    """A function that starts a process of the Procfile with a home of its own; it is gone when the tests here are."""

    def process(kind, name, **extra):
        _started.append(kind(name, tmp_path_factory.mktemp(name), environment | extra).start())
        return _started[-1]

    return process


@pytest.fixture(scope="session")
def celery(start, environment):
    """The fleet as pytest-celery sees it: one broker, one worker."""
    app.conf.broker_url = environment["CROWDOPS_BROKER_URL"]
    workers = CeleryWorkerCluster(CeleryTestWorker(start(Worker, "worker"), app))
    brokers = CeleryBrokerCluster(CeleryTestBroker(Valkey("valkey"), app))
    yield CeleryTestSetup(workers, brokers, None, app)
    app.pool.force_close_all()


@pytest.fixture(scope="session")
def beat(start):
    """The one who sends what is due by the clock."""
    return CeleryTestNode(start(Beat, "beat"), app)


@pytest.fixture
def fleet(_here, celery, beat, simulator):
    """The whole fleet, at work; it is mended first, if a test before has left it broken."""
    postgres.start()
    celery.broker.container.start()
    simulator.faults.set([])
    for node in (celery.worker, beat):
        if node.container.status != "running":
            node.restart()
    assert celery.ready()
    assert beat.ready()
    return celery


@pytest.fixture
def job(fleet, simulator, eventually):  # noqa: ARG001 - the fleet has to be there
    """The main job, for an account of this test's own."""
    from tests.smoke.job import Job  # noqa: PLC0415 - after its asserts were made to explain themselves

    made = Job(simulator, f"lab {next(_numbers)}", eventually)
    yield made
    made.over()
