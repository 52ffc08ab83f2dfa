"""Who plans bonuses takes locks in the order of whoever else writes a run's people."""

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import select, text

from models.agent import Agent
from models.session import transaction
from models.task_run import TaskRun
from tests.integration.test_bonus import pay, run

__all__ = ["pay", "run"]
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


def somebody_waits():
    """Whether a transaction waits for another."""
    with transaction() as session:
        return session.scalar(text(WAITING))


def test_whoever_pays_and_whoever_follows_the_run_never_wait_for_each_other(run, pay, eventually):
    with ThreadPoolExecutor(1) as pool:
        with transaction() as session:
            session.get_one(TaskRun, run, with_for_update={"key_share": True})
            paying = pool.submit(pay, 50, 75, 100)
            eventually(somebody_waits)
            people = select(Agent).where(Agent.task_run_id == run)
            held = session.scalars(people.with_for_update(key_share=True, nowait=True)).all()
        assert len(paying.result(10)) == len(held) == 3
