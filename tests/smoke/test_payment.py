"""A payment under way while its worker dies, the database stops, or messages come doubled: each worker is paid once."""

import signal

import pytest
from sqlalchemy import select

from cli import postgres
from models import bonus
from models.agent import Agent
from models.attempt import Attempt, AttemptOutcome
from models.bonus import Bonus
from models.operation import State
from models.session import transaction
from tasks import dispatch

pytestmark = pytest.mark.smoke
PAY = "POST bulk-bonus-payments/{id}/pay/"
SUM = 50


@pytest.fixture
def owed(job):
    """A function that plans a bonus for each of the two who did the work of a run."""
    run = job.handed_in(2)
    job.approved(run)
    job.finished()

    def plan():
        with transaction() as session:
            agents = session.scalars(select(Agent).where(Agent.task_run_id == run)).all()
            return bonus.pay(session, [Bonus(agent, SUM, "very good") for agent in agents])

    return plan


def check(job):
    """Wait until all is paid; then each was paid once."""
    job.finished()
    wanted = sorted((row.target, SUM) for row in job.mine("bonus"))
    paid = [effect for effect in job.simulator.state.ledger if effect.kind == "bonus_paid"]
    mine = sorted((one.submission, one.amount_minor) for one in paid if (one.submission, SUM) in wanted)
    assert mine == wanted


def test_a_worker_killed_while_the_vendor_pays_leaves_one_payment(job, fleet, owed):
    job.simulator.faults.next(PAY, "hang_after", seconds=30)
    calls = job.calls(PAY)
    rows = owed()
    dispatch.wake()
    job.until(lambda: job.calls(PAY) > calls)
    fleet.worker.kill("SIGKILL")
    assert {row.state for row in job.mine("bonus")} == {State.SENDING}
    fleet.worker.restart()
    check(job)
    assert job.calls(PAY) == calls + 1
    (attempt,) = job.all(Attempt, Attempt.operation_ids.contains([rows[0].id]))
    job.until(lambda: job.get(Attempt, attempt.id).outcome is AttemptOutcome.LOST)


def test_a_database_that_stops_between_a_payment_and_its_record_leaves_one_payment(job, fleet, owed):
    job.simulator.faults.next(PAY, "hang_after", seconds=30)
    calls = job.calls(PAY)
    owed()
    dispatch.wake()
    job.until(lambda: job.calls(PAY) > calls)
    postgres.stop(signal.SIGQUIT)
    job.until(lambda: "Recording was interrupted" in fleet.worker.container.logs())
    postgres.start()
    check(job)
    assert job.calls(PAY) == calls + 1


def test_one_message_delivered_fifty_times_pays_once(job, owed):
    rows = owed()
    calls = job.calls(PAY)
    dispatch.publish([("money", "bonus.prolific", [row.id for row in rows])] * 50)
    check(job)
    assert job.calls(PAY) == calls + 1
