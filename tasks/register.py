"""Writes what a listing showed: observations in, workers, agents and units out, in the caller's transaction.

A submission takes a launched unit of its run; one that finds none left gets one of its own, and is reported.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import UUID

from sqlalchemy import Row, Select, Text, Uuid, literal, select
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningInsert

from models.agent import Agent
from models.bulk import among, table
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

AgentRow = Row[UUID, str, AgentStatus, UUID | None]
UnitRow = Row[UUID, UnitStatus, UUID | None, UUID]


def write(session: Session, run: TaskRun, changes: Changes) -> bool:
    """Put a listing's changes on record; False if some row moved since the listing, so that it must be seen again.

    Who is new comes last, for the units that others give back.
    """
    moved = _advance(session, run, changes.moves) if changes.moves else True
    made = _register(session, run, changes.new) if changes.new else True
    _report(session, run, changes.strange)
    session.flush()
    return moved and made


def _register(session: Session, run: TaskRun, rows: Sequence[Observation]) -> bool:
    """Make an agent for every new submission, once, whoever else sees it at the same moment; False if somebody has."""
    workers = {row.worker_name: worker_id(run.provider_type, row.worker_name) for row in rows}
    _meet(session, run.provider_type, workers)
    seen = {agent_id(run.requester_id, row.submission_id): row for row in rows}
    made = session.scalars(_agents(run, seen, workers)).all()
    seat(session, run, {key: seen[key].status or AgentStatus.NONE for key in made})
    if made:
        run.is_completed = False
    return len(made) == len(seen)


def _meet(session: Session, provider_type: str, workers: Mapping[str, UUID]) -> None:
    """Have a row of each worker. Rows are made in one order whoever comes, so that nobody waits in a circle."""
    new = table(list(workers.items()), name=Text, id=Uuid)
    rows = select(new.c.id, new.c.name, literal(provider_type)).order_by(new.c.id)
    session.execute(insert(Worker).from_select(["id", "name", "provider_type"], rows).on_conflict_do_nothing())


def _agents(run: TaskRun, seen: Mapping[UUID, Observation], workers: Mapping[str, UUID]) -> ReturningInsert[UUID]:
    """Makes those that are not there; returns their ids."""
    new = table(
        [
            (key, row.submission_id, workers[row.worker_name], row.status or AgentStatus.NONE, dict(row.facts))
            for key, row in seen.items()
        ],
        id=Uuid, submission=Text, worker_id=Uuid, status=Text, facts=JSONB,
    )  # fmt: skip
    same = {"requester_id": run.requester_id, "task_run_id": run.id, "provider_type": run.provider_type}
    rows = select(new, *(literal(value) for value in same.values())).order_by(new.c.id)
    names = [*new.c.keys(), *same]
    return insert(Agent).from_select(names, rows).on_conflict_do_nothing().returning(Agent.id)


def _advance(session: Session, run: TaskRun, moves: Sequence[Move]) -> bool:
    """Move agents that are still where the listing found them; an approval seen settles what wanted it."""
    approved = [move.submission for move in moves if move.new is AgentStatus.APPROVED and move.proves]
    if approved:
        proven = _approvals(session, [agent_id(run.requester_id, submission) for submission in approved])
        engine.confirm(session, {operation_id: {} for operation_id in proven})
    session.flush()
    wanted = {move.submission: move for move in moves}
    found = [(agent, wanted[agent.submission]) for agent in session.execute(_held(run, wanted))]
    _move(session, run, [(agent, move.new) for agent, move in found if agent.status is move.old])
    return all(agent.status in (move.old, move.new) for agent, move in found)


def _held(run: TaskRun, submissions: Collection[str]) -> Select[UUID, str, AgentStatus, UUID | None]:
    mine = (Agent.requester_id == run.requester_id, among(Agent.submission, submissions))
    rows = select(Agent.id, Agent.submission, Agent.status, Agent.unit_id).where(*mine)
    return rows.order_by(Agent.id).with_for_update(key_share=True)


def _move(session: Session, run: TaskRun, moves: Sequence[tuple[AgentRow, AgentStatus]]) -> None:
    """Let agents, and the units that they have, be what the vendor shows; who gives one up makes room first."""
    units = _units_of(session, [agent for agent, _ in moves])
    seats: list[Seat] = []
    back: list[tuple[AgentRow, AgentStatus]] = []
    for agent, new in moves:
        if not UNIT_OF_AGENT[agent.status] and UNIT_OF_AGENT[new]:
            back.append((agent, new))
        else:
            seats += _seats(session, run, agent, new, units.get(agent.unit_id))
    place(session, seats)
    if back:
        _bring_back(session, run, back)


def _units_of(session: Session, agents: Iterable[AgentRow]) -> dict[UUID | None, UnitRow]:
    ids = [agent.unit_id for agent in agents]
    mine = select(Unit.id, Unit.status, Unit.agent_id, Unit.assignment_id).where(among(Unit.id, ids))
    return {unit.id: unit for unit in session.execute(mine)}


def _bring_back(session: Session, run: TaskRun, moves: Sequence[tuple[AgentRow, AgentStatus]]) -> None:
    """Whose time was up gave the unit back, and gets it again; if somebody else has it, another of its assignment."""
    units = _units_of(session, [agent for agent, _ in moves])
    own: dict[UUID, Seat] = {}
    beside: dict[UUID, AgentStatus] = {}
    of: dict[UUID, UUID] = {}
    without: dict[UUID, AgentStatus] = {}
    for agent, new in moves:
        if (unit := units.get(agent.unit_id)) is None:
            without[agent.id] = new
        elif _is_free(unit) and unit.id not in own:
            own[unit.id] = seated(agent.id, new, unit.id)
        else:
            beside[agent.id], of[agent.id] = new, unit.assignment_id
    place(session, list(own.values()))
    seat_beside(session, run, beside, of)
    seat(session, run, without)


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
    wanting = select(Operation).where(among(Operation.agent_id, agents), Operation.kind == "approve")
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
