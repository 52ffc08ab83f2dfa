"""A run as it really goes: people return, time out, come late, are approved elsewhere; in the end both sides agree."""

from collections import Counter

import psycopg
import pytest
from sqlalchemy import make_url, select

from models import recruit, review, session
from models.agent import Agent
from models.discrepancy import Discrepancy, Finding
from models.operation import FINAL, Operation, State
from models.session import transaction
from models.settings import settings
from models.status import AgentStatus
from models.task_run import TaskRun
from models.unit import Unit
from providers.prolific.mapping import agent_status, word
from providers.prolific.simulator.server import running
from providers.prolific.simulator.simulator import Options
from tests.integration.scene import Scene
from tests.smoke.containers import Beat, Worker

pytestmark = [pytest.mark.smoke, pytest.mark.timeout(240)]
LONG, SHORT = 400, 100
"""Units of a run that goes to its end, and of one that is expired half-way."""
FEW, MANY = 1.0, 120.0
"""How many people come to a run in a minute of theirs, before the shorter run is expired and after that."""
HABITS = {"returns": 0.06, "time_outs": 0.03, "late": 0.03, "no_shows": 0.02, "hand_approvals": 0.05}
MESSAGE = "The descriptions are single words, although two to four whole sentences were asked for in the task. " * 2
REJECTED = 12
PATIENCE = 200


@pytest.fixture
def vendor():
    """A simulated Prolific with a crowd that is as people are, five minutes of theirs in a second of ours."""
    options = Options(speed=300.0, arrivals=FEW, faults=0.05, crowd=True, **HABITS)
    with running(options) as made:
        yield made


@pytest.fixture
def world(vendor, environment, start, monkeypatch, eventually):
    """An account in a database and on a broker of its own, with a worker and a beat that know nothing else."""
    everything = make_url(environment["CROWDOPS_DATABASE_URL"])
    with psycopg.connect(settings().database().replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE DATABASE crowdops_life TEMPLATE crowdops_template")
    mine = environment | {
        "CROWDOPS_DATABASE_URL": everything.set(database="crowdops_life").render_as_string(hide_password=False),
        "CROWDOPS_BROKER_URL": f"{environment['CROWDOPS_BROKER_URL']}?virtual_host=1",
        "CROWDOPS_PROLIFIC_URL": vendor.url,
    }
    for name, value in mine.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    processes = [start(kind, f"life-{name}", **mine) for kind, name in ((Worker, "worker"), (Beat, "beat"))]
    for process in processes:
        process.ready()
    yield Life(vendor, eventually)
    for process in processes:
        process.teardown()
    session.engine().dispose()


class Life(Scene):
    """What an operator does meanwhile, who looks in now and then."""

    def __init__(self, simulator, eventually):
        super().__init__(simulator, "lab", rate=100.0, block_list=False)
        self.eventually = eventually

    def decide(self, run, *, reject=0):
        """Reject the first so many and approve everything else that came in and nobody decided on."""
        with transaction() as db:
            held = db.get_one(TaskRun, run)
            undecided = ~select(Operation.id).where(Operation.agent_id == Agent.id).exists()
            waiting = select(Agent).where(Agent.task_run_id == run, Agent.status == AgentStatus.COMPLETED, undecided)
            agents = db.scalars(waiting.order_by(Agent.id)).all()
            rejected = self.count(Operation.id, Operation.run_id == run, Operation.kind == "reject")
            bad = agents[: max(0, reject - rejected)]
            if bad:
                review.reject(held, bad, "LOW_EFFORT", MESSAGE)
            review.approve(held, agents[len(bad) :])

    def count(self, column, *where):
        """How many rows there are."""
        with transaction() as db:
            return len(db.scalars(select(column).where(*where)).all())

    def over(self, run):
        """Whether nothing of the run is open any more."""
        return self.get(TaskRun, run).is_completed and not self.count(
            Operation.id, Operation.run_id == run, Operation.state.notin_(FINAL)
        )


def test_five_hundred_units_and_everything_that_happens_to_them(world, vendor):
    whole, half = world.plan(LONG, "whole"), world.plan(SHORT, "half")

    def go_on():
        world.decide(whole, reject=REJECTED)
        world.decide(half)
        if world.count(Agent.id, Agent.task_run_id == half) > SHORT / 10 and not world.get(TaskRun, half).is_expired:
            with transaction() as db:
                recruit.expire(db.get_one(TaskRun, half))
        if world.get(TaskRun, half).is_expired:
            vendor.crowd.arrivals = MANY
        return world.over(whole) and world.over(half)

    world.eventually(go_on, PATIENCE, every=0.25)
    agree(world, vendor)
    units = {run: Counter(str(row.status) for row in world.all(Unit, Unit.task_run_id == run)) for run in (whole, half)}
    # A unit that came back while somebody late held its place is left over, and nobody else is let in for it.
    assert units[whole].keys() <= {"accepted", "rejected", "expired"}
    # An approval in the vendor's pages may overtake a rejection, which is then refused.
    refused = (Operation.run_id == whole, Operation.kind == "reject", Operation.state == State.CONFIRMED)
    assert units[whole]["rejected"] == world.count(Operation.id, *refused) > 0
    assert units[whole]["accepted"] + units[whole]["rejected"] >= LONG
    assert units[half].keys() == {"accepted", "expired"}


def agree(world, vendor):
    """Every status is the vendor's, every effect is one of our operations, and nothing is strange that was not."""
    with vendor.state.turn():
        theirs = {row.id: agent_status(word(row.status)) for row in vendor.state.submissions.values()}
        ledger = Counter((row.kind, row.submission) for row in vendor.state.ledger if row.submission)
    assert {agent.submission: agent.status for agent in world.all(Agent)} == theirs
    assert set(ledger.values()) == {1}
    confirmed = {(row.kind, row.target) for row in world.all(Operation, Operation.state == State.CONFIRMED)}
    names = {"submission_approved": "approve", "submission_rejected": "reject"}
    assert {(names[kind], submission) for kind, submission in ledger} <= confirmed
    assert {row.finding for row in world.all(Discrepancy)} <= {Finding.SURPLUS}
