"""Brings a database to the newest schema; `upgrade` may be called by many processes at once."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import text

from models.session import engine

_LOCK = 7_420_118
"""Number of the advisory lock under which one process at a time migrates."""


def config() -> Config:
    """Alembic's configuration, without an ini file."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return made


def upgrade() -> None:
    """Migrate the configured database to the newest revision."""
    with engine().connect() as connection, connection.begin():
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        made = config()
        made.attributes["connection"] = connection
        command.upgrade(made, "head")
