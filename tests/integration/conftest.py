"""A migrated database, an empty broker and a simulated Prolific for each test that asks for a `scene`."""

import pytest

from models.settings import settings
from providers.prolific.simulator.server import running
from providers.prolific.simulator.simulator import Options
from tasks.celery import app
from tests.integration.scene import Scene


@pytest.fixture(scope="session")
def _app(servers):  # noqa: ARG001 - a fixture is asked for by its name
    """The Celery app was made when it was imported; here it publishes to the broker of the session."""
    app.conf.broker_url = settings().broker()
    yield
    app.pool.force_close_all()


@pytest.fixture
def simulator(monkeypatch):
    """A simulated Prolific where nobody comes by themselves and time stands still; the environment names it."""
    with running(Options(speed=0, crowd=False)) as made:
        monkeypatch.setenv("CROWDOPS_PROLIFIC_URL", made.url)
        monkeypatch.setenv("CROWDOPS_PROLIFIC_TOKEN", made.options.token)
        settings.cache_clear()
        yield made


@pytest.fixture
def scene(database_url, broker_url, _app, simulator):  # noqa: ARG001 - fixtures are asked for by their names
    """One account at the simulator."""
    return Scene(simulator)


@pytest.fixture
def timing(monkeypatch):
    """A function that sets some of the engine's durations for this test."""

    def change(**seconds):
        for name, value in seconds.items():
            monkeypatch.setenv(f"CROWDOPS_TIMING__{name.upper()}", str(value))
        settings.cache_clear()
        return settings().timing

    return change
