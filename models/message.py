"""Messages to workers: a worker, a run and a text go in, an operation comes out, in the caller's transaction."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from sqlalchemy import select

from models.plan import Intent, plan, session_of
from models.status import IllegalMoveError

if TYPE_CHECKING:
    from models.operation import Operation
    from models.task_run import TaskRun
    from models.worker import Worker


def tell(worker: Worker, run: TaskRun, text: str, key: str | None = None) -> Operation:
    """Plan that a worker reads a text about a run they worked on; the same text again is the same message.

    A `key` of its own makes the same text another message.

    Raises:
        ValueError: there is no text, or the database could not hold it.
        IllegalMoveError: the worker has no part in the run.
        ConflictError: the key was used before with another text.
    """
    from models.agent import Agent  # noqa: PLC0415 - a worker's verbs need this module

    session = session_of(worker)
    said = text.strip()
    if not said or "\0" in said:
        raise ValueError("A message needs a text, without NUL characters.")
    part = select(Agent.id).where(Agent.worker_id == worker.id, Agent.task_run_id == run.id).limit(1)
    if session.scalars(part).first() is None:
        raise IllegalMoveError(f"Worker {worker.id} has no part in run {run.name!r}, which the message would be about.")
    wanted = Intent(
        requester_id=run.requester_id,
        kind="message",
        target=f"{worker.id}/{run.id}",
        key=key or sha256(said.encode()).hexdigest()[:16],
        body={"text": said},
        run_id=run.id,
        worker_id=worker.id,
    )
    return plan(session, [wanted])[0]
