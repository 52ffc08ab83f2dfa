"""A worker of its own process that does one thing and comes to a failpoint on the way: its environment goes in."""

import os

from models.settings import settings
from tasks import diff, dispatch, execute, reconcile, sweep


def _under(environment):
    os.environ.update(environment)
    settings.cache_clear()


def turn(environment):
    """What beat and one worker do in a moment, under other settings."""
    _under(environment)
    sweep.sweep()
    for _, _, ids in dispatch.take():
        execute.run(ids)


def list_everything(environment, account):
    """A full round of an account under other settings, which writes each change by itself."""
    _under(environment)
    diff.PORTION = 1
    reconcile.reconcile_account(account, full=True)
