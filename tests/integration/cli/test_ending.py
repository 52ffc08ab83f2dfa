"""Whoever is told to end finishes what cannot be left half done, and then ends."""

import os
import signal
from threading import Timer

import pytest
from sqlalchemy import text

from cli import ending
from models.session import engine, transaction


def test_a_query_is_never_interrupted_and_the_end_comes_after_it(database_url):
    assert database_url
    with ending.listening(signal.SIGTERM):
        ending.heed()
        told = Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM))
        told.start()
        with transaction() as session:
            assert session.scalar(text("SELECT 1 FROM pg_sleep(0.5)")) == 1
        told.join()
        with pytest.raises(SystemExit) as ended:
            ending.heed()
        assert ended.value.code == 128 + signal.SIGTERM
    assert engine().pool.checkedout() == 0
    assert not ending.told()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
