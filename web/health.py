"""What this process needs goes in, the names of what does not answer come out, within moments."""

from anyio import fail_after, to_thread
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from models.session import transaction

PATIENCE = 1.5
"""Seconds that the database may take."""


async def down() -> list[str]:
    """What does not answer."""
    try:
        with fail_after(PATIENCE):
            await to_thread.run_sync(_ask, abandon_on_cancel=True)
    except (TimeoutError, SQLAlchemyError):
        return ["database"]
    return []


def _ask() -> None:
    with transaction() as session:
        session.execute(text("SELECT 1"))
