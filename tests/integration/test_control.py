"""A thousand bonuses at a vendor where every fifth call goes wrong: the usual way pays many twice, and ours nobody.

Both go through the same simulator with the same faults; the usual way is the control, without which it would prove
nothing that nobody was paid twice.
"""

from collections import Counter

import pytest
from sqlalchemy import select

from models import bonus
from models.agent import Agent
from models.bonus import Bonus
from models.operation import FINAL, State
from models.session import transaction
from models.settings import settings
from providers.errors import ProviderError
from providers.prolific.client import Client
from providers.prolific.simulator.faults import Rule
from tasks import decide, pacing
from tasks.decide import Decision
from tests.integration.test_bonus import PAY, READ, SET_UP

MANY, SUM = 1000, 50
FAULTS = ("429", "500_before", "500_after", "drop_before", "drop_after")
SHARE = 0.04
"""Of each fault at each endpoint; a fifth of all calls goes wrong."""
AT_LEAST = 0.05
"""The share of workers whom the usual way must pay twice, or the harness is too kind to show anything."""


@pytest.fixture
def run(scene, timing):
    """A run of a thousand pieces of work that were handed in."""
    timing(pay_settle=180)
    made = scene.live(MANY, budget_minor=10**9)
    scene.completed(made, MANY)
    return made


@pytest.fixture
def spoilt(scene, run):  # noqa: ARG001 - the run is made before
    """From here on, calls go wrong."""
    rules = [Rule(endpoint, fault, share=SHARE) for endpoint in (SET_UP, PAY, READ) for fault in FAULTS]
    scene.simulator.faults.set(rules)
    yield
    scene.simulator.faults.set([])


def paid(scene):
    """How often each submission was paid."""
    scene.simulator.advance(600)
    return Counter(effect.submission for effect in scene.effects("bonus"))


def usual_way(client, study, submission, done):
    """If it is not marked as paid: pay, and mark it as paid; if anything goes wrong, that is tried again."""
    while submission not in done:
        try:
            client.pay_bonuses(client.set_up_bonuses(study, f"{submission},0.50\n").id)
        except ProviderError:
            continue
        done.add(submission)


@pytest.mark.usefixtures("spoilt")
def test_the_usual_way_pays_more_than_one_in_twenty_twice(scene, run):
    client, study, done = Client("env:CROWDOPS_PROLIFIC_TOKEN"), scene.study(run), set()
    submissions = list(scene.simulator.state.submissions)
    for submission in submissions:
        usual_way(client, study, submission, done)
    found = paid(scene)
    assert found.keys() == set(submissions)
    assert sum(times > 1 for times in found.values()) > AT_LEAST * MANY


@pytest.mark.usefixtures("spoilt")
@pytest.mark.timeout(240)
def test_each_of_a_thousand_is_paid_once_where_a_person_looks_at_what_was_left_in_doubt(scene, run):
    with transaction() as session:
        agents = session.scalars(select(Agent).where(Agent.task_run_id == run)).all()
        bonus.pay(session, [Bonus(agent, SUM, "very good") for agent in agents])
    for _ in range(400):
        if scene.states("bonus") <= FINAL:
            break
        if not scene.turn():
            scene.later(60)
            look_and_decide(scene)
    assert scene.states("bonus") == {State.CONFIRMED}
    assert paid(scene) == Counter(row.target for row in scene.operations("bonus"))


def look_and_decide(scene):
    """A person resumes the account, and says of what is in review what the vendor's ledger says."""
    pacing.resume(scene.account)
    scene.later(settings().timing.back_off_max)
    waiting = [row for row in scene.operations("bonus") if row.state is State.REVIEW]
    for row in waiting:
        there = scene.simulator.state.submission(row.target).bonus_payments
        with transaction() as session:
            decision = Decision.CONFIRMED if there else Decision.RETRY
            decide.resolve(session, row.id, decision, who="somebody", note="as the vendor shows it")
