"""Two beats do no harm: each slot is reconciled once, and every effect happens once."""

import pytest
from sqlalchemy import func, select

from models.agent import Agent
from models.session import transaction
from models.status import AgentStatus
from models.tick import Tick
from tests.smoke.containers import Beat

pytestmark = pytest.mark.smoke
SLOTS = 4


@pytest.fixture
def second_beat(start):
    """Another beat beside the fleet's own."""
    made = start(Beat, "second-beat")
    made.ready()
    yield made
    made.teardown()


def slots():
    with transaction() as session:
        return session.scalar(select(func.count()).select_from(Tick))


def counted(job, run):
    """How often the vendor was asked for the counts of a run's study."""
    path = f"/api/v1/studies/{job.study(run)}/submissions/counts/"
    return sum(call.path == path for call in job.simulator.calls)


def sent(beat):
    """How often a beat has asked for a reconciliation."""
    return beat.logs().count("(crowdops.reconcile)")


def test_two_beats_reconcile_each_slot_once(job, beat, second_beat):
    run = job.launched(2)
    before = slots(), counted(job, run), sent(beat.container) + sent(second_beat)

    def asked():
        return sent(beat.container) + sent(second_beat) - before[2]

    # More was asked for than there were slots: some were asked for by both.
    job.until(lambda: slots() >= before[0] + SLOTS and asked() > slots() - before[0])
    calls, taken = counted(job, run) - before[1], slots() - before[0]
    # The round of the slot before may still be under way; two rounds a slot would be twice as many.
    assert 0 < calls <= taken + 1
    job.hand_in(run, 2)
    job.until(lambda: job.statuses(Agent, run) == {AgentStatus.COMPLETED})
    job.approved(run)
    job.finished()
