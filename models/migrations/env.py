"""Alembic's entry: runs revisions on the connection that `models.migrations` hands over."""

from alembic import context

import models
from models.base import Base

assert models  # noqa: S101 - imported so that every table is registered
context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
