"""`crowdops db`: the database is brought to the schema of this version."""

import typer

from cli import console
from cli.servers import embedded
from models import migrations

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def _group() -> None:
    """Prepare the database."""


@app.command()
@embedded()
def upgrade() -> None:
    """Bring the database to the newest schema; nothing happens if it has it."""
    migrations.upgrade()
    console.say("The database has the newest schema.")
