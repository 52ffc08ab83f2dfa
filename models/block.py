"""Blocking workers: a worker and an account go in, operations come out, in the caller's transaction.

Blocked workers are a group of the account, which every one of its studies keeps out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from models import group, membership
from models.membership import Kinds, Membership
from models.operation import Operation, State
from models.plan import session_of
from models.requester import Requester
from models.status import IllegalMoveError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy.orm import Session

    from models.group import Group
    from models.worker import Worker

KINDS = Kinds("block", "unblock")


def block(worker: Worker, requester: Requester, reason: str) -> Operation:
    """Plan that a worker gets no place in an account's studies any more; who is blocked already shows the operation.

    Raises:
        ValueError: the account is at another vendor than the worker.
    """
    session = session_of(worker)
    if worker.provider_type != requester.provider_type:
        raise ValueError(f"The worker is at {worker.provider_type}, and the account at {requester.provider_type}.")
    return membership.turn(session, worker, ensure(session, requester), KINDS, "block", reason=reason)


def unblock(worker: Worker, requester: Requester, reason: str) -> Operation:
    """Plan that a blocked worker may take places again.

    Raises:
        IllegalMoveError: the worker was never blocked by this account.
    """
    session = session_of(worker)
    kept_out = _blocked(session, requester)
    if kept_out is None or membership.last(session, worker, kept_out, KINDS) is None:
        raise IllegalMoveError(f"Worker {worker.id} is not blocked by {requester.name}, so there is nothing to undo.")
    return membership.turn(session, worker, kept_out, KINDS, "unblock", reason=reason)


def is_blocked(worker: Worker, requester: Requester) -> bool:
    """Whether the vendor has been seen to keep the worker out; `state` tells what is wanted too."""
    return state(worker, requester).confirmed


def state(worker: Worker, requester: Requester) -> Membership:
    """Whether a worker is blocked: what was decided last, and what the vendor has shown. By our rows alone."""
    session = session_of(worker)
    kept_out = _blocked(session, requester)
    return membership.standing(session, worker, kept_out, KINDS) if kept_out is not None else Membership()


def blockers(session: Session, workers: Sequence[UUID]) -> dict[UUID | None, list[str]]:
    """The accounts that have been seen to block each of the workers, by name."""
    decided = select(Operation.worker_id, Requester.name, Operation.kind).join(Operation.requester)
    shown = decided.where(Operation.worker_id.in_(workers), Operation.kind.in_((KINDS.into, KINDS.out)))
    confirmed = shown.where(Operation.state == State.CONFIRMED).order_by(Operation.body["turn"].as_integer())
    last = {(worker, name): kind for worker, name, kind in session.execute(confirmed)}
    found: dict[UUID | None, list[str]] = {}
    for (worker, name), kind in sorted(last.items()):
        if kind == KINDS.into:
            found.setdefault(worker, []).append(name)
    return found


def ensure(session: Session, requester: Requester) -> Group:
    """The account's group of blocked workers, for its first run or its first block: a study's filters never change."""
    return group.ensure(session, requester, _name(requester))


def _blocked(session: Session, requester: Requester) -> Group | None:
    """The same; None before there was a run or a block."""
    return group.find(session, requester, _name(requester))


def _name(requester: Requester) -> str:
    return group.title(requester, "blocked")
