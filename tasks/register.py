"""Writes what a listing showed: observations in, workers, agents and units out, in the caller's transaction.

A submission takes a launched unit of its run; one that finds none left gets one of its own, and is reported.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import heapify, heapreplace
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Select, case, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, selectinload

from models.agent import Agent
from models.assignment import Assignment
from models.discrepancy import Finding, report
from models.identity import agent_id, unit_id, worker_id
from models.operation import FINAL, Operation, State
from models.status import UNIT_OF_AGENT, AgentStatus, IllegalMoveError, UnitStatus
from models.task_run import TaskRun
from models.unit import SURPLUS, Unit
from models.worker import Worker
from providers.contract import Observation
from tasks import engine
from tasks.diff import Changes, Move, Strange

Row = TypeVar("Row")
_AT_ONCE = 5000
"""Rows in one statement; Postgres takes 65,535 parameters."""
_UNDONE = (UnitStatus.REJECTED, UnitStatus.SOFT_REJECTED, UnitStatus.EXPIRED)


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


def _portions(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
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
    by_id = {agent_id(run.requester_id, row.submission_id): row for row in rows}
    agents = [_agent_row(run, key, row) for key, row in sorted(by_id.items())]
    made = session.scalars(insert(Agent).on_conflict_do_nothing().returning(Agent.id), agents).all()
    fresh = session.scalars(select(Agent).where(Agent.id.in_(made))).all()
    _seat(session, run, {agent: by_id[agent.id].status or AgentStatus.NONE for agent in fresh})
    if fresh:
        run.is_completed = False
    return len(fresh) == len(by_id)


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


def _seat(session: Session, run: TaskRun, agents: Mapping[Agent, AgentStatus]) -> None:
    """Give each a unit, then let it advance to what the vendor shows; who left already needs none."""
    staying = [agent for agent, status in agents.items() if UNIT_OF_AGENT[status] is not None]
    units = _free_units(session, run, len(staying))
    for agent, unit in zip(staying, units, strict=False):
        _bind(agent, unit)
    more = _more_units(session, run, len(staying) - len(units))
    for agent, (unit, lacking) in zip(staying[len(units) :], more, strict=True):
        _bind(agent, unit)
        if not lacking:
            report(session, run.requester_id, Finding.SURPLUS, agent.id, "more people worked than there are units")
    for agent, status in agents.items():
        _move(session, agent, status)


def _free_units(session: Session, run: TaskRun, wanted: int) -> Sequence[Unit]:
    """Launched units first; one whose launch is not confirmed yet is evidently out there too.

    The run's row is held, so that nobody else gives them away; they are locked in the order of their places, as by
    whoever records a launch.
    """
    order = case((Unit.status == UnitStatus.LAUNCHED, 0), else_=1)
    free = (Unit.task_run_id == run.id, Unit.status.in_([UnitStatus.LAUNCHED, UnitStatus.CREATED]))
    chosen = select(Unit.id).where(*free, Unit.place.isnot(None)).order_by(order, Unit.place).limit(wanted)
    ids = session.scalars(chosen).all()
    locked = select(Unit).where(Unit.id.in_(ids)).order_by(Unit.place).with_for_update(key_share=True)
    return session.scalars(locked.execution_options(populate_existing=True)).all()


def _more_units(session: Session, run: TaskRun, wanted: int) -> list[tuple[Unit, bool]]:
    """Units beyond those that were planned, so that whoever worked is paid; the rows with the least good work first.

    Each comes with whether its row lacked work, as it does where a rejection gave the place to somebody else.
    """
    if wanted <= 0:
        return []
    rows = [(row[0], row[1], row[2], row[3], row[4]) for row in session.execute(_rows(run))]
    heapify(rows)
    made = []
    for _ in range(wanted):
        good, index, planned, extra, assignment = rows[0]
        made.append((_surplus_unit(run, assignment, SURPLUS - extra), good < planned))
        heapreplace(rows, (good + 1, index, planned, extra + 1, assignment))
    session.add_all(unit for unit, _ in made)
    session.flush()
    return made


def _rows(run: TaskRun) -> Select[int, int, int, int, UUID]:
    """Of each of the run's rows: units that are or may become good, its number, units planned, units beyond those."""
    good = func.count().filter(Unit.status.notin_(_UNDONE))
    planned, extra = (func.count().filter(which) for which in (Unit.index > SURPLUS, Unit.index <= SURPLUS))
    counted = select(good, Assignment.index, planned, extra, Assignment.id).join(Unit)
    return counted.where(Assignment.task_run_id == run.id).group_by(Assignment.id)


def _surplus_unit(run: TaskRun, assignment: UUID, index: int) -> Unit:
    return Unit(
        id=unit_id(assignment, index),
        assignment_id=assignment,
        task_run_id=run.id,
        provider_type=run.provider_type,
        index=index,
        pay_minor=run.pay_minor,
        currency=run.currency,
    )


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
    proven = [key for key, move in wanted.items() if move.new is AgentStatus.APPROVED and move.proves]
    engine.confirm(session, {operation_id: {} for operation_id in _approvals(session, proven)})
    held = select(Agent).where(Agent.id.in_(wanted)).order_by(Agent.id).with_for_update(of=Agent, key_share=True)
    fresh = held.options(selectinload(Agent.unit)).execution_options(populate_existing=True)
    agents = session.scalars(fresh).all()
    current = all(agent.status in (wanted[agent.id].old, wanted[agent.id].new) for agent in agents)
    moving = {agent: wanted[agent.id].new for agent in agents if agent.status is wanted[agent.id].old}
    # Whose time was up gave the unit back, and needs one again to go on.
    late = {agent: status for agent, status in moving.items() if UNIT_OF_AGENT[agent.status] is None}
    for agent, status in moving.items():
        if agent not in late:
            _move(session, agent, status)
    for agent in list(late):
        if (unit := agent.unit) is not None and _is_free(unit):
            if unit.status is UnitStatus.EXPIRED:
                unit.status = UnitStatus.CREATED
            _bind(agent, unit)
            _move(session, agent, late.pop(agent))
    session.flush()
    _seat(session, run, late)
    return current


def _is_free(unit: Unit) -> bool:
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
