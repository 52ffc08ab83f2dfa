"""A worker of its own process that takes one turn and comes to a failpoint on the way: its environment goes in."""

import os

from models.settings import settings
from tasks import dispatch, execute, sweep


def turn(environment):
    """What beat and one worker do in a moment, under other settings."""
    os.environ.update(environment)
    settings.cache_clear()
    sweep.sweep()
    for _, _, ids in dispatch.take():
        execute.run(ids)
