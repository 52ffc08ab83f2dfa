"""`crowdops up`: the embedded servers, the newest schema, and the Procfile's processes under honcho until Ctrl-C."""

import sys

import typer
from honcho.manager import Manager

from cli import fleet, servers
from models import migrations


def up() -> None:
    """Run worker, beat and Flower, with the servers they need, until Ctrl-C."""
    with servers.embedded():
        migrations.upgrade()
        manager = Manager()
        for name, command in fleet.commands().items():
            manager.add_process(name, command, env=fleet.environment(), cwd=str(fleet.checkout()))
        manager.loop()
    if manager.returncode:
        typer.echo("A process ended by itself, so all were stopped; its last lines are above.", err=True)
        sys.exit(1)
