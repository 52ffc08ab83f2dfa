"""`crowdops up`: the embedded servers, the newest schema, and the Procfile's processes under honcho until Ctrl-C."""

import signal

from honcho.manager import Manager

from cli import console, door, fleet, flower, servers
from cli.failure import FailedError
from models import migrations
from models.settings import settings

ASKED = (0, 128 + signal.SIGINT, 128 + signal.SIGTERM)
"""How honcho ends when a person, or a service manager, asked for it."""


def up() -> None:
    """Run worker, beat, Flower and the workers' door, with the servers they need, until Ctrl-C."""
    wanted = settings().flower_port
    with servers.embedded(), flower.reserved():
        migrations.upgrade()
        other = f", because somebody listens on port {wanted}" if flower.port() != wanted else ""
        console.say(f"Flower shows the workers at {flower.address()}{other}")
        _open_door()
        manager = Manager()
        for name, command in fleet.commands().items():
            manager.add_process(name, command, env=fleet.environment(), cwd=str(fleet.checkout()))
        manager.loop()
    if manager.returncode not in ASKED:
        raise FailedError("A process ended by itself, so all were stopped; its last lines are above.")


def _open_door() -> None:
    wanted = settings().web_port
    other = f", because somebody listens on port {wanted}" if door.port() != wanted else ""
    console.say(f"Tasks' pages get their data at {door.address()}{other}")
