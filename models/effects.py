"""What a confirmed operation changes in the domain: confirmed rows go in, units, agents and runs move."""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session, selectinload
from sqlalchemy.sql.expression import literal

from models.agent import Agent
from models.clock import now
from models.discrepancy import Finding, report
from models.group import Group
from models.operation import Operation
from models.session import UNSEEN
from models.status import AgentStatus, IllegalMoveError, UnitStatus
from models.task_run import TaskRun
from models.unit import Unit


def confirmed(session: Session, operations: Sequence[Operation]) -> None:
    """Apply what the operations did, in the transaction that confirmed them."""
    kinds: dict[str, list[Operation]] = defaultdict(list)
    for operation in operations:
        kinds[operation.kind].append(operation)
    for kind, members in kinds.items():
        _EFFECTS.get(kind, _learn)(session, members)


def _launched(session: Session, operations: Sequence[Operation]) -> None:
    """A unit that somebody took before the answer came is past being launched already."""
    ids = [operation.unit_id for operation in operations]
    # More places open a study again that had come to its end. Runs are locked before units, as by a listing.
    recruiting(session, {operation.run_id for operation in operations})
    # In the order in which a listing takes them.
    session.execute(select(Unit.id).where(Unit.id.in_(ids)).order_by(Unit.place).with_for_update(key_share=True))
    fresh = update(Unit).where(Unit.id.in_(ids), Unit.status == UnitStatus.CREATED)
    session.execute(fresh.values(status=UnitStatus.LAUNCHED), execution_options=UNSEEN)


def _approved(session: Session, operations: Sequence[Operation]) -> None:
    ids = [operation.agent_id for operation in operations]
    soft = {operation.agent_id for operation in operations if operation.body.get("soft")}
    for agent in session.scalars(_held(ids)):
        _move(session, agent, AgentStatus.SOFT_REJECTED if agent.id in soft else AgentStatus.APPROVED)


def _held(ids: Sequence[UUID | None]) -> Select[Agent]:
    locked = select(Agent).where(Agent.id.in_(ids)).order_by(Agent.id).with_for_update(of=Agent, key_share=True)
    return locked.options(selectinload(Agent.unit))


def _rejected(session: Session, operations: Sequence[Operation]) -> None:
    ids = [operation.agent_id for operation in operations]
    for agent in session.scalars(_held(ids)):
        _move(session, agent, AgentStatus.REJECTED)


def _move(session: Session, agent: Agent, status: AgentStatus) -> None:
    try:
        agent.move(status)
    except IllegalMoveError as error:
        report(session, agent.requester_id, Finding.ILLEGAL_STATUS, agent.id, str(error))


def _stopped(session: Session, operations: Sequence[Operation]) -> None:
    _learn(session, operations)
    for run_id in {operation.run_id for operation in operations if operation.run_id is not None}:
        stopped(session, run_id)


def _paid(_session: Session, _operations: Sequence[Operation]) -> None:
    """What a bonus changes is in the ledger, which keeps itself."""


def _grouped(session: Session, operations: Sequence[Operation]) -> None:
    """What the vendor calls a group that it made."""
    for operation in operations:
        if vendor_id := (operation.result or {}).get("group_id"):
            made = update(Group).where(Group.id == UUID(operation.target))
            session.execute(made.values(vendor_id=vendor_id), execution_options=UNSEEN)


def _ungrouped(session: Session, operations: Sequence[Operation]) -> None:
    gone = update(Group).where(Group.id.in_([UUID(operation.target) for operation in operations]))
    session.execute(gone.values(vendor_id=None), execution_options=UNSEEN)


def recruiting(session: Session, run_ids: Collection[UUID | None]) -> None:
    """The vendor lets people in again, whatever we believed."""
    again = update(TaskRun).where(TaskRun.id.in_(run_ids), TaskRun.facts.has_key("stopped"))
    session.execute(again.values(facts=TaskRun.facts.op("-")(literal("stopped"))), execution_options=UNSEEN)


def stopped(session: Session, run_id: UUID) -> None:
    """The vendor recruits nobody any more: what waited for that is due.

    Units wait for whoever took a place before and was not seen yet, until a listing has shown everybody.
    """
    _add_facts(session, run_id, {"stopped": True})
    waiting = update(Operation).where(Operation.run_id == run_id, Operation.hold.isnot(None))
    session.execute(waiting.values(hold=None, next_at=now(), nudged_at=None), execution_options=UNSEEN)


def _learn(session: Session, operations: Sequence[Operation]) -> None:
    """Vendor ids that an answer brought belong to the run."""
    for operation in operations:
        if operation.run_id is not None and operation.result:
            _add_facts(session, operation.run_id, operation.result)


def _add_facts(session: Session, run_id: UUID, facts: dict[str, Any]) -> None:
    joined = TaskRun.facts.op("||")(literal(facts, JSONB))
    session.execute(update(TaskRun).where(TaskRun.id == run_id).values(facts=joined))


_EFFECTS: dict[str, Callable[[Session, Sequence[Operation]], None]] = {
    "launch": _launched,
    "approve": _approved,
    "reject": _rejected,
    "stop": _stopped,
    "bonus": _paid,
    "group": _grouped,
    "ungroup": _ungrouped,
}
