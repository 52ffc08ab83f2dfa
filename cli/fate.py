"""What became of every unit of a run, and why, in words: a run's rows go in, one frozen `Fate` a unit comes out."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.agent import Agent
from models.operation import Operation, State
from models.status import AgentStatus, UnitStatus
from models.task_run import TaskRun
from models.unit import SURPLUS, Unit

GAVE_BACK = {AgentStatus.RETURNED: "returned", AgentStatus.TIMEOUT: "timed out"}
WRONG = "nothing explains it"


@dataclass(frozen=True, slots=True)
class Fate:
    """How one unit ended."""

    run: str
    unit: UUID
    status: UnitStatus
    why: str
    explained: bool
    gave_back: int = 0
    """How many people had it, and returned it or ran out of time."""
    late: bool = False
    """Whether it was handed in after the time was up."""
    by_hand: bool = False
    """Whether it was decided on in the vendor's own pages."""
    surplus: bool = False
    """Whether it is one that was not planned: more people worked than there were units."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What is on record of a run, by unit or by agent."""

    run: TaskRun
    units: list[Unit]
    agents: Mapping[UUID, Agent]
    goes: Mapping[UUID | None, list[Agent]]
    """Everybody who had a unit, or has it, by unit."""
    decisions: Mapping[UUID | None, list[Operation]]


def rows(session: Session, run: TaskRun) -> Rows:
    """Read a run."""
    units = session.scalars(select(Unit).where(Unit.task_run_id == run.id).order_by(Unit.place, Unit.id)).all()
    agents = session.scalars(select(Agent).where(Agent.task_run_id == run.id)).all()
    decided = select(Operation).where(Operation.run_id == run.id, Operation.agent_id.isnot(None))
    goes, decisions = defaultdict(list), defaultdict(list)
    for agent in agents:
        goes[agent.unit_id].append(agent)
    for operation in session.scalars(decided):
        decisions[operation.agent_id].append(operation)
    return Rows(run, list(units), {agent.id: agent for agent in agents}, goes, decisions)


def fates(held: Rows, by_hand: Collection[str], speed: float) -> list[Fate]:
    """Explain each unit; `by_hand` are submissions decided on in the vendor's pages, `speed` is that of its clock."""
    # The vendor lets nobody in for a place that comes back, while somebody beyond the plan holds one.
    room = sum(unit.index <= SURPLUS for unit in held.units)
    told = []
    for unit in held.units:
        told.append(_fate(held, unit, by_hand, speed, room=room > 0))
        room -= unit.status is UnitStatus.EXPIRED and not held.run.is_expired
    return told


def _fate(held: Rows, unit: Unit, by_hand: Collection[str], speed: float, *, room: bool) -> Fate:
    agent = held.agents.get(unit.agent_id) if unit.agent_id else None
    left = Counter(GAVE_BACK[go.status] for go in held.goes[unit.id] if go.status in GAVE_BACK)
    hand = agent is not None and agent.submission in by_hand
    why = _why(held, unit, agent, left, hand=hand, room=room)
    return Fate(
        run=held.run.name,
        unit=unit.id,
        status=unit.status,
        why=why or WRONG,
        explained=why is not None,
        gave_back=left.total(),
        late=agent is not None and _is_late(held.run, agent, speed),
        by_hand=hand,
        surplus=unit.index <= SURPLUS,
    )


def _why(  # noqa: PLR0913 - what there is to know about a unit
    held: Rows, unit: Unit, agent: Agent | None, left: Counter[str], *, hand: bool, room: bool
) -> str | None:
    match unit.status, agent.status if agent else None:
        case UnitStatus.ACCEPTED, AgentStatus.APPROVED:
            return "approved in the vendor's pages" if hand else _decided(held, agent, "approve", "approved")
        case UnitStatus.REJECTED, AgentStatus.REJECTED:
            return "rejected in the vendor's pages" if hand else _decided(held, agent, "reject", "rejected")
        case UnitStatus.EXPIRED, None if held.run.is_expired:
            return f"{_history(unit, left)} when the run was expired"
        case UnitStatus.EXPIRED, None if room:
            return f"{_history(unit, left)}, while somebody beyond the plan held its place at the vendor"
    return None


def _decided(held: Rows, agent: Agent | None, kind: str, word: str) -> str | None:
    """The operation that did it, in words."""
    mine = [row for row in held.decisions[agent.id if agent else None] if row.kind == kind]
    done = [row.body for row in mine if row.state is State.CONFIRMED]
    if len(done) != 1:
        return None
    return f'{word} as {done[0]["category"]}: "{done[0]["message"]}"' if kind == "reject" else word


def _history(unit: Unit, left: Counter[str]) -> str:
    if left:
        return f"given back ({' and '.join(sorted(left))}), and nobody had taken it again"
    return "nobody had taken it" if unit.place is not None else "it was not offered yet"


def _is_late(run: TaskRun, agent: Agent, speed: float) -> bool:
    """As far as it can be seen here: handed in longer after they were first seen than the run gives them."""
    minutes: int | None = run.args.get("maximum_minutes")
    if agent.submitted_at is None or minutes is None:
        return False
    return (agent.submitted_at - agent.created_at).total_seconds() > minutes * 60 / speed


def grouped(told: Iterable[Fate]) -> list[tuple[str, UnitStatus, int, str]]:
    """Run, status, number and why of the units that were not accepted, or not planned."""
    of_note = [one for one in told if one.status is not UnitStatus.ACCEPTED or one.surplus]
    counted = Counter((one.run, one.status, _with_surplus(one)) for one in of_note)
    return [(run, status, number, why) for (run, status, why), number in sorted(counted.items())]


def _with_surplus(one: Fate) -> str:
    return f"not planned: no unit was left for somebody who worked; {one.why}" if one.surplus else one.why
