"""Decisions on work: agents go in, one operation each comes out, in the caller's transaction.

Work is decided once: what is being approved cannot be rejected meanwhile, nor the other way round.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from models.operation import Operation
from models.plan import AT_ONCE, DEFAULT_KEY, FALLEN, ConflictError, Intent, plan, session_of
from models.status import AgentStatus, IllegalMoveError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

    from sqlalchemy.orm import Session

    from models.agent import Agent
    from models.task_run import TaskRun

DECISIONS = ("approve", "reject")
STILL_RECRUITS = "the study still recruits, and a rejected place would be taken by somebody else"


def approve(run: TaskRun, agents: Sequence[Agent]) -> list[Operation]:
    """Plan the approval of each agent's work; work that is approved already shows the operation that did it.

    Raises:
        IllegalMoveError: some work is not complete, or was decided otherwise; nothing is planned.
    """
    return _decide(run, agents, "approve", (AgentStatus.COMPLETED, AgentStatus.APPROVED))


def soft_reject(run: TaskRun, agents: Sequence[Agent]) -> list[Operation]:
    """Plan that each agent's work is paid, and marked as not good enough once it is.

    Raises:
        IllegalMoveError: some work is not complete, or was decided otherwise; nothing is planned.
    """
    return _decide(run, agents, "approve", (AgentStatus.COMPLETED, AgentStatus.SOFT_REJECTED), {"soft": True})


def reject(run: TaskRun, agents: Sequence[Agent], category: str, message: str) -> list[Operation]:
    """Plan that each agent's work is refused and not paid; `category` is a word of the vendor's.

    It waits until the study recruits nobody any more, unless the run wants refills.

    Raises:
        IllegalMoveError: some work is not complete, or was decided otherwise; nothing is planned.
        ValueError: the vendor would not take this category or this message; nothing is planned.
    """
    for agent in agents:
        agent.assert_rejection(category, message)
    body = {"category": category, "message": message}
    hold = None if run.refill or run.is_stopped else STILL_RECRUITS
    return _decide(run, agents, "reject", (AgentStatus.COMPLETED, AgentStatus.REJECTED), body, hold)


def _decide(  # noqa: PLR0913, PLR0917 - what a decision consists of
    run: TaskRun,
    agents: Sequence[Agent],
    kind: str,
    allowed: Sequence[AgentStatus],
    body: dict[str, Any] | None = None,
    hold: str | None = None,
) -> list[Operation]:
    session = session_of(run)
    _lock(session, agents)
    for agent in agents:
        if agent.status not in allowed:
            wanted = " or ".join(sorted(allowed))
            raise IllegalMoveError(f"The work of agent {agent.id} is {agent.status}; this needs work that is {wanted}.")
    _refuse_two_minds(session, kind, agents)
    keys = _keys(session, kind, agents, body or {})
    return plan(
        session,
        [
            Intent(
                requester_id=run.requester_id,
                kind=kind,
                target=agent.submission,
                key=keys.get(agent.id, DEFAULT_KEY),
                body=body or {},
                run_id=run.id,
                unit_id=agent.unit_id,
                agent_id=agent.id,
                hold=hold,
            )
            for agent in agents
        ],
    )


def assert_undecided(session: Session, agent: Agent, again: Operation) -> None:
    """Refuse to try a decision `again` on work that has another one, whichever it is.

    Raises:
        IllegalMoveError: with the operation that decides on it.
    """
    _lock(session, [agent])
    for kind in DECISIONS:
        for operation in _decisions(session, kind, [agent]):
            same = (operation.kind, _base(operation)) == (again.kind, _base(again))
            if operation.state not in FALLEN and not same:
                raise IllegalMoveError(_decided(operation))


def _base(operation: Operation) -> str:
    """The key without the number of its trial."""
    return operation.key.partition("~")[0]


def _lock(session: Session, agents: Sequence[Agent]) -> None:
    """Whoever decides on the same work at the same moment waits here, and then sees this decision."""
    for start in range(0, len(agents), AT_ONCE):
        table = type(agents[0])
        ids = [agent.id for agent in agents[start : start + AT_ONCE]]
        held = select(table).where(table.id.in_(ids)).order_by(table.id).with_for_update(key_share=True)
        session.scalars(held.execution_options(populate_existing=True)).all()


def _refuse_two_minds(session: Session, kind: str, agents: Sequence[Agent]) -> None:
    other = "reject" if kind == "approve" else "approve"
    for opposite in _decisions(session, other, agents):
        if opposite.state not in FALLEN:
            raise IllegalMoveError(_decided(opposite))


def _keys(session: Session, kind: str, agents: Sequence[Agent], body: dict[str, Any]) -> dict[UUID | None, str]:
    """Where the same was decided before, that key; words that were withdrawn leave the next key to other words."""
    tried: dict[UUID | None, list[Operation]] = defaultdict(list)
    for operation in _decisions(session, kind, agents):
        if operation.state not in FALLEN and operation.body != body:
            raise ConflictError(_decided(operation))
        tried[operation.agent_id].append(operation)
    return {agent: _key(operations, body) for agent, operations in tried.items()}


def _key(tried: Sequence[Operation], body: dict[str, Any]) -> str:
    same = [operation for operation in tried if operation.body == body]
    standing = [operation.key for operation in same if operation.state not in FALLEN]
    if same:
        return standing[0] if standing else same[-1].key
    return str(max(int(_base(operation)) for operation in tried) + 1)


def _decisions(session: Session, kind: str, agents: Sequence[Agent]) -> Iterator[Operation]:
    for start in range(0, len(agents), AT_ONCE):
        ids = [agent.id for agent in agents[start : start + AT_ONCE]]
        decided = select(Operation).where(Operation.agent_id.in_(ids), Operation.kind == kind)
        yield from session.scalars(decided.order_by(Operation.created_at, Operation.id))


def _decided(operation: Operation) -> str:
    soft = "soft " if operation.body.get("soft") else ""
    return (
        f"The work of agent {operation.agent_id} has a decision already: operation {operation.id} "
        f"({soft}{operation.kind}, {operation.state}). Withdraw that first, if it can be: "
        f"`crowdops ops cancel {operation.id}`."
    )
