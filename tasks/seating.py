"""Gives units to agents: ids and what the vendor shows go in; both rows become that, in the caller's transaction.

The run's row is held by the caller, so nobody else gives its units away. Whole listings are written at once, past what
the session holds.
"""

from collections.abc import Mapping, Sequence
from heapq import heapify, heapreplace
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Select, Text, Uuid, case, func, insert, select, type_coerce, update
from sqlalchemy.orm import Session

from models.agent import Agent
from models.assignment import Assignment
from models.bulk import among, table
from models.discrepancy import Finding, report_each
from models.session import UNSEEN
from models.status import UNIT_OF_AGENT, AgentStatus, UnitStatus
from models.task_run import TaskRun
from models.unit import SURPLUS, Unit, is_free, unit_row

_UNDONE = (UnitStatus.REJECTED, UnitStatus.SOFT_REJECTED)


class _Row(NamedTuple):
    """An assignment with its units: those that are or may become good, those planned, and those beyond them."""

    good: int
    number: int
    planned: int
    extra: int
    assignment: UUID


class Seat(NamedTuple):
    """An agent, and what becomes of the unit that it has or gives back."""

    agent: UUID
    status: AgentStatus
    unit: UUID | None = None
    holder: UUID | None = None
    then: UnitStatus | None = None


def seated(agent: UUID, status: AgentStatus, unit: UUID) -> Seat:
    """Whoever came has a unit that was out there, and it is where they are: every step of it is legal."""
    return Seat(agent, status, unit, agent, UNIT_OF_AGENT[status])


def seat(session: Session, run: TaskRun, agents: Mapping[UUID, AgentStatus]) -> None:
    """Give each agent a unit, and let both be what the vendor shows; who left already needs none.

    One that finds no unit gets another of its own.
    """
    staying = {agent: status for agent, status in agents.items() if UNIT_OF_AGENT[status] is not None}
    if not staying:
        return
    session.flush()
    units = [(unit, True) for unit in _free_units(session, run, len(staying))]
    rows = [_Row(*row) for row in session.execute(_rows(run))] if len(units) < len(staying) else []
    heapify(rows)
    # Those with the least good work come first, as where a rejection gave the place to somebody else.
    chosen = [heapreplace(rows, _with_one_more(rows[0])) for _ in range(len(staying) - len(units))]
    _take(session, run, staying, units + _make(session, run, chosen))


def seat_beside(session: Session, run: TaskRun, agents: Mapping[UUID, AgentStatus], of: Mapping[UUID, UUID]) -> None:
    """Give each agent another unit of the assignment `of` which it had one, so that its answer stays with its data."""
    if not agents:
        return
    session.flush()
    rows = {row.assignment: row for row in (_Row(*row) for row in session.execute(_rows(run)))}
    chosen = []
    for agent in agents:
        chosen.append(rows[of[agent]])
        rows[of[agent]] = _with_one_more(rows[of[agent]])
    _take(session, run, agents, _make(session, run, chosen))


def _take(
    session: Session, run: TaskRun, agents: Mapping[UUID, AgentStatus], units: Sequence[tuple[UUID, bool]]
) -> None:
    """Seat the agents, and report whose work nothing lacked."""
    surplus = [agent for agent, (_, lacking) in zip(agents, units, strict=True) if not lacking]
    report_each(session, run.requester_id, Finding.SURPLUS, surplus, "more people worked than there are units")
    place(session, [seated(agent, agents[agent], unit) for agent, (unit, _) in zip(agents, units, strict=True)])


def _free_units(session: Session, run: TaskRun, wanted: int) -> Sequence[UUID]:
    """Launched units first; they are locked in the order of their places, as by whoever records a launch."""
    order = case((Unit.status == UnitStatus.LAUNCHED, 0), else_=1)
    free = (Unit.task_run_id == run.id, is_free())
    chosen = select(Unit.id).where(*free).order_by(order, Unit.place).limit(wanted)
    locked = select(Unit.id).where(among(Unit.id, session.scalars(chosen).all())).order_by(Unit.place)
    return session.scalars(locked.with_for_update(key_share=True)).all()


def _rows(run: TaskRun) -> Select[int, int, int, int, UUID]:
    """A `_Row` of each of the run's assignments."""
    good = func.count().filter(Unit.status.notin_(_UNDONE))
    planned, extra = (func.count().filter(which) for which in (Unit.index > SURPLUS, Unit.index <= SURPLUS))
    counted = select(good, Assignment.index, planned, extra, Assignment.id).join(Unit)
    return counted.where(Assignment.task_run_id == run.id).group_by(Assignment.id)


def _with_one_more(row: _Row) -> _Row:
    return row._replace(good=row.good + 1, extra=row.extra + 1)


def _make(session: Session, run: TaskRun, chosen: Sequence[_Row]) -> list[tuple[UUID, bool]]:
    """Units beyond those that were planned, so that whoever worked is paid; each with whether its row lacked work."""
    made = [unit_row(run, row.assignment, SURPLUS - row.extra) for row in chosen]
    if made:
        session.execute(insert(Unit), made)
    return [(unit["id"], row.good < row.planned) for unit, row in zip(made, chosen, strict=True)]


def place(session: Session, seats: Sequence[Seat]) -> None:
    """Write agents and units as they are now, and forget what the session holds of them."""
    if not seats:
        return
    session.flush()
    now = table(seats, agent=Uuid, status=Text, unit=Uuid, holder=Uuid, then=Text)
    taken = {"agent_id": now.c.holder, "status": type_coerce(now.c.then, Unit.status.type)}
    session.execute(update(Unit).where(Unit.id == now.c.unit).values(taken), execution_options=UNSEEN)
    moved = {
        "unit_id": func.coalesce(now.c.unit, Agent.unit_id),
        "status": type_coerce(now.c.status, Agent.status.type),
    }
    session.execute(update(Agent).where(Agent.id == now.c.agent).values(moved), execution_options=UNSEEN)
    session.expire_all()
