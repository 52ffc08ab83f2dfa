"""Who is wanted in a group: a worker and a group go in, operations come out, in the caller's transaction.

Each decision waits for the one before it, so that at the vendor as well the last one wins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from models.group import making
from models.operation import Operation, State
from models.plan import FALLEN, Intent, plan
from models.status import IllegalMoveError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy.orm import Session

    from models.group import Group
    from models.worker import Worker


@dataclass(frozen=True, slots=True)
class Kinds:
    """The kind of operation that brings somebody into a group, and the one that takes them out."""

    into: str
    out: str


@dataclass(frozen=True, slots=True)
class Membership:
    """Whether somebody is in a group: what was decided last, and what the vendor has shown."""

    wanted: bool = False
    confirmed: bool = False


def turn(session: Session, worker: Worker, group: Group, kinds: Kinds, kind: str, **body: Any) -> Operation:  # noqa: ANN401 - who, where, which way, and why
    """Plan the next decision behind the last one; the same as the last one is the one that is there."""
    # Whoever decides on the same worker at the same moment waits here, and then sees this decision.
    session.refresh(worker, ["id"], with_for_update={"key_share": True})
    before = _decisions(session, worker, group, kinds)
    last = _last(before)
    if last is not None and last.kind == kind:
        return last
    number = 1 + max((int(row.body["turn"]) for row in before), default=0)
    wanted = Intent(
        requester_id=group.requester_id,
        kind=kind,
        target=_target(worker.id, group),
        key=str(number),
        body={"group": str(group.id), "turn": number} | body,
        worker_id=worker.id,
        after_id=last.id if last is not None else making(session, group),
    )
    return plan(session, [wanted])[0]


def enter(session: Session, group: Group, workers: Sequence[UUID], kind: str) -> list[Operation]:
    """Plan the first members of a group about which nothing was decided yet."""
    after = making(session, group)
    return plan(
        session,
        [
            Intent(
                requester_id=group.requester_id,
                kind=kind,
                target=_target(worker, group),
                body={"group": str(group.id), "turn": 1},
                worker_id=worker,
                after_id=after,
            )
            for worker in workers
        ],
    )


def last(session: Session, worker: Worker, group: Group, kinds: Kinds) -> Operation | None:
    """The last decision that did not come to nothing."""
    return _last(_decisions(session, worker, group, kinds))


def standing(session: Session, worker: Worker, group: Group, kinds: Kinds) -> Membership:
    """Where a worker stands in a group by our rows."""
    rows = _decisions(session, worker, group, kinds)
    wanted, shown = _last(rows), _last([row for row in rows if row.state is State.CONFIRMED])
    return Membership(
        wanted=wanted is not None and wanted.kind == kinds.into,
        confirmed=shown is not None and shown.kind == kinds.into,
    )


def assert_last(session: Session, again: Operation) -> None:
    """Refuse to try a decision again after which another one was made.

    Raises:
        IllegalMoveError: with the later one.
    """
    same = (Operation.requester_id == again.requester_id, Operation.target == again.target)
    later = Operation.body["turn"].as_integer() > int(again.body.get("turn", 0))
    standing_later = select(Operation).where(*same, Operation.state.notin_(FALLEN), later).limit(1)
    if other := session.scalars(standing_later).first():
        raise IllegalMoveError(
            f"Operation {again.id} is not tried again: operation {other.id} ({other.kind}, {other.state}) was decided "
            f"later. Decide anew, with `crowdops worker {again.kind} {again.worker_id} ...`."
        )


def _decisions(session: Session, worker: Worker, group: Group, kinds: Kinds) -> Sequence[Operation]:
    mine = select(Operation).where(Operation.worker_id == worker.id, Operation.requester_id == group.requester_id)
    of_group = mine.where(Operation.target == _target(worker.id, group), Operation.kind.in_((kinds.into, kinds.out)))
    return session.scalars(of_group.execution_options(populate_existing=True)).all()


def _last(rows: Sequence[Operation]) -> Operation | None:
    return max((row for row in rows if row.state not in FALLEN), key=lambda row: int(row.body["turn"]), default=None)


def _target(worker: UUID, group: Group) -> str:
    return f"{worker}/{group.id}"
