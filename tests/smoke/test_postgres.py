"""The database is the only truth: stopped in the middle and started again, everything goes on without a person."""

import signal

import pytest

from cli import postgres
from models.operation import State
from tasks import dispatch

pytestmark = pytest.mark.smoke


def test_a_database_that_is_stopped_at_once_and_started_again_loses_nothing(job):
    for _ in range(6):
        job.planned(2)
    dispatch.wake()
    job.until(lambda: State.CONFIRMED in {row.state for row in job.mine()})
    postgres.stop(signal.SIGQUIT)
    postgres.start()
    job.finished()
    job.approved(job.handed_in(2))
    job.finished()
