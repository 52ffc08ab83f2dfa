"""A simulated Prolific for each test that asks; whatever went over the wire is held against Prolific's document."""

from contextlib import ExitStack

import httpx
import pytest

from models.settings import settings
from providers.prolific.client import Client
from providers.prolific.simulator.server import running
from providers.prolific.simulator.simulator import Options
from tests.contract.openapi import DOCUMENT, validate_exchange

TOKEN = "test-token"  # noqa: S105 - the simulator of a test accepts it
DRAFT = {
    "name": "Which picture is sharper?",
    "internal_name": "run-1",
    "description": "Look at two pictures and choose.",
    "external_study_url": "https://example.com/task?session={{%SESSION_ID%}}",
    "prolific_id_option": "url_parameters",
    "completion_codes": [{"code": "C0DE", "code_type": "COMPLETED", "actions": [{"action": "MANUALLY_REVIEW"}]}],
    "estimated_completion_time": 2,
    "reward": 30,
    "total_available_places": 3,
}


class Api:
    """A plain caller of one simulator's API."""

    DRAFT = DRAFT

    def __init__(self, simulator, client):
        self.simulator, self.client = simulator, client

    def call(self, method, path, body=None, **query):
        """The answer to one call, whatever its status."""
        return self.client.request(method, path, json=body, params=query)

    def ok(self, method, path, body=None, **query):
        """The JSON of one call that must succeed."""
        return self.call(method, path, body, **query).raise_for_status().json()

    def draft(self, **fields):
        """The id of a new draft."""
        return self.ok("POST", "studies/", DRAFT | fields)["id"]

    def published(self, **fields):
        """The id of a new study that is active."""
        study = self.draft(**fields)
        self.ok("POST", f"studies/{study}/transition/", {"action": "PUBLISH"})
        self.simulator.advance(3)
        return study

    def finished(self, study, how_many=1):
        """The ids of new submissions that were handed in."""
        state = self.simulator.state
        submissions = [state.take_place(study).id for _ in range(how_many)]
        for submission in submissions:
            state.finish(submission)
        return submissions

    def status(self, study):
        """The status of a study."""
        return self.ok("GET", f"studies/{study}/")["status"]

    def effects(self):
        """The kinds of all effects so far."""
        return [effect.kind for effect in self.simulator.state.ledger]


@pytest.fixture
def simulate(needed):
    """A function that starts a simulator whose clock stands still and where nobody comes, unless asked otherwise."""
    exchanges = []
    with ExitStack() as stack:

        def start(**options):
            chosen = {"token": TOKEN, "speed": 0.0, "crowd": False} | options
            simulator = stack.enter_context(running(Options(**chosen), exchanges.append))
            headers = {"Authorization": f"Token {TOKEN}"}
            client = stack.enter_context(httpx.Client(base_url=f"{simulator.url}/api/v1/", headers=headers, timeout=5))
            return Api(simulator, client)

        yield start
    # Without the document the simulator is as good a partner as with it; only its honesty stays unproven.
    needed(DOCUMENT.exists(), "Prolific's OpenAPI document, which the exchanges are held against,")
    for exchange in exchanges:
        validate_exchange(exchange)


@pytest.fixture
def api(simulate):
    """One simulator with a standing clock and no crowd."""
    return simulate()


@pytest.fixture
def client(api):
    """The client that is judged, at a simulator."""
    return Client("env:VENDOR_TOKEN", api.simulator.url)


@pytest.fixture(autouse=True)
def _account(monkeypatch):
    """The token of every client here."""
    monkeypatch.setenv("VENDOR_TOKEN", "test-token")
    settings.cache_clear()
    yield
    settings.cache_clear()
