"""What came of the demonstrated runs: our rows and the vendor's own account go in, figures and problems come out."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cli import compare, findings, person
from cli.fate import Fate, Rows, fates, rows
from cli.person import GOOD, Decided
from cli.stage import Stage
from cli.tally import Tally, tally
from cli.thanks import Thanks
from models.attempt import Attempt
from models.discrepancy import Discrepancy, Finding
from models.operation import Operation, State
from models.recruit import WITHDRAWN
from models.session import transaction
from models.status import AgentStatus
from models.task_run import TaskRun

WORKED = (AgentStatus.COMPLETED, AgentStatus.APPROVED, AgentStatus.SOFT_REJECTED, AgentStatus.REJECTED)


@dataclass(frozen=True, slots=True)
class Kind:
    """All operations of one kind in one state."""

    kind: str
    state: str
    operations: int
    requests: int
    """Requests that carried them."""
    faults: int
    """Requests among these that did not come back well."""


@dataclass(slots=True)
class Report:
    """The figures of the runs, and `problems`: empty when everything is as it should be."""

    units: list[Fate]
    people: dict[str, int]
    """Submissions by status, the same here and at the vendor unless `problems` says otherwise."""
    answers: int
    """How many of them handed something in through the task's page."""
    operations: list[Kind]
    calls: dict[str, dict[str, int]]
    ours: dict[str, int]
    theirs: dict[str, int]
    by_hand: int
    """Decisions that were made in the vendor's own pages."""
    overtaken: list[str]
    """Decisions of ours that came after one made there."""
    money: Tally
    thanks: dict[str, Any] | None = None
    """What came of the bonuses, where any were to be paid."""
    problems: list[str] = field(default_factory=list)
    killed: int = 0
    decided: list[str] = field(default_factory=list)
    """What needed a person, and how each was decided."""
    summed: list[str] = field(default_factory=list)
    """The same, with those together that were decided alike."""
    seconds: float = 0
    flower: str = ""

    def as_json(self) -> dict[str, Any]:
        """The report for machines."""
        return asdict(self) | {"ok": not self.problems}


def report(run_ids: Sequence[UUID], stage: Stage, decided: Sequence[Decided], thanks: Thanks | None = None) -> Report:
    """Explain every unit of the runs, and compare what we hold with what the vendor holds."""
    with transaction() as session:
        runs = [session.get_one(TaskRun, run_id) for run_id in run_ids]
        held = [rows(session, run) for run in runs]
        mine = compare.confirmed(session, runs)
        here = compare.ours(session, runs)
        kinds, strange = _kinds(session, run_ids), _strange(session, runs)
    there = compare.listed(runs)
    effects = stage.ledger() if stage.simulated else []
    caused = compare.ledger(runs, effects) if stage.simulated else mine
    hand = compare.by_hand(there, caused)
    theirs = caused if stage.simulated else compare.listing(there, compare.paid(runs), mine)
    mine = compare.settled(mine, theirs, hand)
    open_ends, overtaken = _ends(held, hand)
    made = Report(
        units=[fate for one in held for fate in fates(one, hand, stage.speed)],
        people=_people(held),
        answers=_answers(held),
        operations=kinds,
        calls=stage.calls() if stage.simulated else {},
        ours=compare.counted(mine),
        theirs=compare.counted(theirs),
        by_hand=len(hand),
        overtaken=overtaken,
        money=tally(held, stage, effects, hand),
        thanks=thanks.data() if thanks else None,
        decided=[one.told for one in decided],
        summed=person.summed(decided),
    )
    made.problems = _unexplained(made.units) + open_ends + compare.otherwise(here, there)
    made.problems += compare.differences(mine, theirs) + strange + _without_a_fault(decided)
    made.problems += [*made.money.problems(), *(thanks.problems() if thanks else ())]
    if stage.simulated:
        made.problems += _unseen(stage, made)
    return made


def _people(held: Sequence[Rows]) -> dict[str, int]:
    counts = Counter(agent.status for one in held for agent in one.agents.values())
    return {str(status): counts[status] for status in AgentStatus if counts[status]}


def _answers(held: Sequence[Rows]) -> int:
    return sum(agent.data is not None for one in held for agent in one.agents.values())


def _kinds(session: Session, run_ids: Sequence[UUID]) -> list[Kind]:
    """Requests are counted by the attempts that carried at least one of the operations."""
    counted = select(Operation.kind, Operation.state, func.count(), func.array_agg(Operation.id))
    counted = counted.where(Operation.run_id.in_(run_ids)).group_by(Operation.kind, Operation.state)
    found = session.execute(counted.order_by(func.min(Operation.created_at))).all()
    return [Kind(kind, str(state), number, *_requests(session, ids)) for kind, state, number, ids in found]


def _requests(session: Session, ids: Sequence[UUID]) -> tuple[int, int]:
    bad = func.count().filter(Attempt.outcome.notin_(GOOD))
    row = session.execute(select(func.count(), bad).where(Attempt.operation_ids.overlap(ids))).one()
    return row[0], row[1]


def _strange(session: Session, runs: Sequence[TaskRun]) -> list[str]:
    """Discrepancies that nothing explains: whoever worked beyond the plan has a unit that tells it."""
    found = {row.id: row for run in runs for row in session.scalars(findings.of_run(run).where(findings.OPEN))}
    return [_told(row) for row in found.values() if row.finding is not Finding.SURPLUS]


def _told(row: Discrepancy) -> str:
    return f"discrepancy {row.id}, {row.finding} about {row.subject}: {row.detail}"


def _unexplained(units: Sequence[Fate]) -> list[str]:
    return [f"unit {one.unit} of {one.run} is {one.status}, and {one.why}" for one in units if not one.explained]


def _ends(held: Sequence[Rows], hand: set[str]) -> tuple[list[str], list[str]]:
    """Operations that did not end well and have no reason to, and decisions that came too late."""
    with transaction() as session:
        ids = [one.run.id for one in held]
        unwell = select(Operation).where(Operation.run_id.in_(ids), Operation.state != State.CONFIRMED)
        left = session.scalars(unwell.order_by(Operation.kind, Operation.id)).all()
    late = [row for row in left if row.state is State.REJECTED and row.target in hand]
    withdrawn = [row for row in left if row.state is State.CANCELLED and row.reason == WITHDRAWN]
    problems = [_ended(row) for row in left if row not in late and row not in withdrawn]
    return problems, [_ended(row) for row in late]


def _ended(row: Operation) -> str:
    return f"{row.kind} {row.id} is {row.state}: {row.reason}"


def _without_a_fault(decided: Sequence[Decided]) -> list[str]:
    """A person may only be needed where a request went wrong."""
    return [f"it came to a person without a fault: {one.told}" for one in decided if not one.faults]


def _unseen(stage: Stage, made: Report) -> list[str]:
    """What only a simulator can tell: what was decided in its pages, and that all work came through the door."""
    problems = []
    if (pages := stage.by_hand()) != made.by_hand:
        problems.append(
            f"{made.by_hand} decisions have no effect in the ledger, but {pages} were made in the vendor's pages"
        )
    worked = sum(number for status, number in made.people.items() if status in WORKED)
    if stage.uses_the_door() and made.answers != worked:
        problems.append(f"{worked} people finished, but {made.answers} answers were handed in")
    return problems
