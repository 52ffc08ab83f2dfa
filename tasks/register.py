"""Writes what a listing showed: observations in, workers, agents and units out, in the caller's transaction.

A submission takes a launched unit of its run; one that finds none left gets one of its own, and is reported.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models.agent import Agent
from models.discrepancy import Finding, report
from models.identity import agent_id, worker_id
from models.operation import FINAL, Operation, State
from models.status import AGENT_MOVES, UNIT_OF_AGENT, AgentStatus, IllegalMoveError, UnitStatus, check_move, unit_after
from models.task_run import TaskRun
from models.unit import Unit
from models.worker import Worker
from providers.contract import Observation
from tasks import engine
from tasks.diff import Changes, Move, Strange
from tasks.seating import Seat, place, seat, seat_beside, seated

Item = TypeVar("Item")
AgentRow = Row[UUID, AgentStatus, UUID | None]
UnitRow = Row[UUID, UnitStatus, UUID | None, UUID]
_AT_ONCE = 5000
"""Rows in one statement; Postgres takes 65,535 parameters."""


def write(session: Session, run: TaskRun, changes: Changes) -> bool:
    """Put a listing's changes on record; False if some row moved since the listing, so that it must be seen again.

    Who left comes first and gives the unit back, for whoever took the place.
    """
    moves = sorted(changes.moves, key=lambda move: UNIT_OF_AGENT[move.new] is not None)
    current = [_advance(session, run, portion) for portion in _portions(moves)]
    current += [_register(session, run, portion) for portion in _portions(changes.new)]
    _report(session, run, changes.strange)
    session.flush()
    return all(current)


def _portions(rows: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(rows), _AT_ONCE):
        yield rows[start : start + _AT_ONCE]


def _register(session: Session, run: TaskRun, rows: Sequence[Observation]) -> bool:
    """Make an agent for every new submission, once, whoever else sees it at the same moment; False if somebody has."""
    people = {
        worker_id(run.provider_type, row.worker_name): {"provider_type": run.provider_type, "name": row.worker_name}
        for row in rows
    }
    values = [{"id": key, **person} for key, person in sorted(people.items())]
    session.execute(insert(Worker).on_conflict_do_nothing(), values)
    seen = {agent_id(run.requester_id, row.submission_id): row for row in rows}
    agents = [_agent_row(run, key, row) for key, row in sorted(seen.items())]
    made = session.scalars(insert(Agent).on_conflict_do_nothing().returning(Agent.id), agents).all()
    seat(session, run, {key: seen[key].status or AgentStatus.NONE for key in made})
    if made:
        run.is_completed = False
    return len(made) == len(seen)


def _agent_row(run: TaskRun, key: UUID, row: Observation) -> dict[str, Any]:
    return {
        "id": key,
        "requester_id": run.requester_id,
        "task_run_id": run.id,
        "provider_type": run.provider_type,
        "worker_id": worker_id(run.provider_type, row.worker_name),
        "submission": row.submission_id,
        "status": row.status or AgentStatus.NONE,
        "facts": dict(row.facts),
    }


def _advance(session: Session, run: TaskRun, moves: Sequence[Move]) -> bool:
    """Move agents that are still where the listing found them; an approval seen settles what wanted it."""
    wanted = {agent_id(run.requester_id, move.submission): move for move in moves}
    proven = [key for key, move in wanted.items() if move.new is AgentStatus.APPROVED and move.proves]
    engine.confirm(session, {operation_id: {} for operation_id in _approvals(session, proven)})
    session.flush()
    locked = select(Agent.id, Agent.status, Agent.unit_id).where(Agent.id.in_(wanted)).order_by(Agent.id)
    agents = session.execute(locked.with_for_update(key_share=True)).all()
    _move(session, run, {agent: wanted[agent.id].new for agent in agents if agent.status is wanted[agent.id].old})
    return all(agent.status in (wanted[agent.id].old, wanted[agent.id].new) for agent in agents)


def _move(session: Session, run: TaskRun, agents: Mapping[AgentRow, AgentStatus]) -> None:
    """Let agents, and the units that they have, be what the vendor shows; who gives one up makes room first."""
    units = _units_of(session, agents)
    back = {agent: new for agent, new in agents.items() if not UNIT_OF_AGENT[agent.status] and UNIT_OF_AGENT[new]}
    staying = [agent for agent in agents if agent not in back]
    moved = (_seats(session, run, agent, agents[agent], units.get(agent.unit_id)) for agent in staying)
    place(session, [one for seats in moved for one in seats])
    _bring_back(session, run, back)


def _units_of(session: Session, agents: Iterable[AgentRow]) -> dict[UUID | None, UnitRow]:
    ids = [agent.unit_id for agent in agents]
    mine = select(Unit.id, Unit.status, Unit.agent_id, Unit.assignment_id).where(Unit.id.in_(ids))
    return {unit.id: unit for unit in session.execute(mine)}


def _bring_back(session: Session, run: TaskRun, agents: Mapping[AgentRow, AgentStatus]) -> None:
    """Whose time was up gave the unit back, and gets it again; if somebody else has it, another of its assignment."""
    own: dict[UUID, AgentRow] = {}
    units = _units_of(session, agents)
    for agent in agents:
        if (unit := units.get(agent.unit_id)) is not None and _is_free(unit):
            own.setdefault(unit.id, agent)
    place(session, [seated(agent.id, agents[agent], unit) for unit, agent in own.items()])
    others = {agent: new for agent, new in agents.items() if agent not in own.values()}
    of = {agent.id: units[agent.unit_id].assignment_id for agent in others if agent.unit_id in units}
    seat_beside(session, run, {agent.id: new for agent, new in others.items() if agent.id in of}, of)
    seat(session, run, {agent.id: new for agent, new in others.items() if agent.id not in of})


def _seats(session: Session, run: TaskRun, agent: AgentRow, new: AgentStatus, unit: UnitRow | None) -> list[Seat]:
    """The one that is to be written; none, but a report, if the tables do not list the move."""
    try:
        check_move(AGENT_MOVES, agent.status, new)
        if unit is None or unit.agent_id != agent.id:
            return [Seat(agent.id, new)]
        then = unit_after(unit.status, new, stopped=run.is_stopped)
    except IllegalMoveError as error:
        report(session, run.requester_id, Finding.ILLEGAL_STATUS, agent.id, str(error))
        return []
    return [Seat(agent.id, new, unit.id, agent.id if UNIT_OF_AGENT[new] is not None else None, then)]


def _is_free(unit: UnitRow) -> bool:
    """Whether nobody has taken a unit that somebody gave up: what they did for it belongs to no other."""
    return unit.agent_id is None and unit.status in (UnitStatus.LAUNCHED, UnitStatus.EXPIRED)


def _approvals(session: Session, agents: Sequence[UUID]) -> list[UUID]:
    """What the approval of these agents proves: the operations that wanted it, or contradicts: those given up before.

    Where one is confirmed already, it is the one that did it.
    """
    of_agent: dict[UUID | None, list[Operation]] = defaultdict(list)
    wanting = select(Operation).where(Operation.agent_id.in_(agents), Operation.kind == "approve")
    for operation in session.scalars(wanting):
        of_agent[operation.agent_id].append(operation)
    found: list[Operation] = []
    for operations in of_agent.values():
        if all(operation.state is not State.CONFIRMED for operation in operations):
            found += [operation for operation in operations if operation.state not in FINAL] or operations
    return [operation.id for operation in found]


def _report(session: Session, run: TaskRun, rows: Iterable[Strange]) -> None:
    for row in rows:
        report(session, run.requester_id, row.finding, agent_id(run.requester_id, row.submission), row.detail)
