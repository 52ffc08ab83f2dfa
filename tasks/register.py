"""Writes what a listing showed: observations in, workers, agents and units out, in the caller's transaction.

A submission takes a launched unit of its run; one that finds none left is kept and reported.
"""

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import case, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, selectinload

from models.agent import Agent
from models.discrepancy import Finding, report
from models.identity import agent_id, worker_id
from models.operation import FINAL, Operation
from models.status import UNIT_OF_AGENT, AgentStatus, IllegalMoveError, UnitStatus
from models.task_run import TaskRun
from models.unit import Unit
from models.worker import Worker
from providers.contract import Observation
from tasks import engine
from tasks.diff import Changes, Move, Strange


def write(session: Session, run: TaskRun, changes: Changes) -> bool:
    """Put a listing's changes on record; False if some row moved since the listing, so that it must be seen again."""
    _register(session, run, changes.new)
    current = _advance(session, run, changes.moves)
    _report(session, run, changes.strange)
    session.flush()
    return current


def _register(session: Session, run: TaskRun, rows: Sequence[Observation]) -> None:
    """Make an agent for every new submission, once, whoever else sees it at the same moment."""
    if not rows:
        return
    people = {
        worker_id(run.provider_type, row.worker_name): {"provider_type": run.provider_type, "name": row.worker_name}
        for row in rows
    }
    values = [{"id": key, **person} for key, person in sorted(people.items())]
    session.execute(insert(Worker).values(values).on_conflict_do_nothing())
    by_id = {agent_id(run.requester_id, row.submission_id): row for row in rows}
    agents = [_agent_row(run, key, row) for key, row in sorted(by_id.items())]
    made = insert(Agent).values(agents).on_conflict_do_nothing().returning(Agent.id)
    fresh = set(session.scalars(made))
    _assign(session, run, [(key, row) for key, row in by_id.items() if key in fresh])


def _agent_row(run: TaskRun, key: UUID, row: Observation) -> dict[str, object]:
    return {
        "id": key,
        "requester_id": run.requester_id,
        "task_run_id": run.id,
        "provider_type": run.provider_type,
        "worker_id": worker_id(run.provider_type, row.worker_name),
        "submission": row.submission_id,
        "status": AgentStatus.NONE,
        "facts": dict(row.facts),
    }


def _assign(session: Session, run: TaskRun, rows: Sequence[tuple[UUID, Observation]]) -> None:
    """Give each a unit, then let it advance to what the vendor shows; who left already never needed one."""
    staying = [pair for pair in rows if UNIT_OF_AGENT[pair[1].status or AgentStatus.NONE] is not None]
    units = iter(_free_units(session, run, len(staying)))
    agents = {agent.id: agent for agent in session.scalars(select(Agent).where(Agent.id.in_([key for key, _ in rows])))}
    for key, row in rows:
        agent, unit = agents[key], next(units, None) if (key, row) in staying else None
        if unit is not None:
            _bind(agent, unit)
        elif (key, row) in staying:
            told = "more people worked than there are units"
            report(session, run.requester_id, Finding.SURPLUS, agent.id, told)
        _move(session, agent, row.status or AgentStatus.NONE)


def _free_units(session: Session, run: TaskRun, wanted: int) -> Sequence[Unit]:
    """Launched units first; one whose launch is not confirmed yet is evidently out there too."""
    order = case((Unit.status == UnitStatus.LAUNCHED, 0), else_=1)
    free = select(Unit).where(Unit.task_run_id == run.id, Unit.status.in_([UnitStatus.LAUNCHED, UnitStatus.CREATED]))
    placed = free.where(Unit.place.isnot(None)).order_by(order, Unit.place).limit(wanted)
    return session.scalars(placed.with_for_update(skip_locked=True)).all()


def _bind(agent: Agent, unit: Unit) -> None:
    unit.status = UnitStatus.LAUNCHED
    unit.status = UnitStatus.ASSIGNED
    unit.agent_id = agent.id
    agent.unit = unit


def _move(session: Session, agent: Agent, new: AgentStatus) -> None:
    try:
        agent.move(new)
    except IllegalMoveError as error:
        report(session, agent.requester_id, Finding.ILLEGAL_STATUS, agent.id, str(error))


def _advance(session: Session, run: TaskRun, moves: Sequence[Move]) -> bool:
    """Move agents that are still where the listing found them; an approval seen settles what wanted it."""
    wanted = {agent_id(run.requester_id, move.submission): move for move in moves}
    approved = [key for key, move in wanted.items() if move.new is AgentStatus.APPROVED]
    settle = select(Operation.id).where(
        Operation.agent_id.in_(approved), Operation.kind == "approve", Operation.state.notin_(FINAL)
    )
    engine.confirm(session, {operation_id: {} for operation_id in session.scalars(settle)})
    locked = select(Agent).where(Agent.id.in_(wanted)).order_by(Agent.id).options(selectinload(Agent.unit))
    agents = session.scalars(locked.with_for_update(of=Agent).execution_options(populate_existing=True)).all()
    current = all(agent.status in (wanted[agent.id].old, wanted[agent.id].new) for agent in agents)
    for agent in agents:
        if agent.status is wanted[agent.id].old:
            _move(session, agent, wanted[agent.id].new)
    return current


def _report(session: Session, run: TaskRun, rows: Iterable[Strange]) -> None:
    for row in rows:
        report(session, run.requester_id, row.finding, agent_id(run.requester_id, row.submission), row.detail)
