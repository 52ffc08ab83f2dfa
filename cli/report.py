"""What came of a demonstrated run: our rows against the vendor's own account of what happened."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from cli.person import GOOD, Decided
from cli.stage import Stage, patiently
from models.agent import Agent
from models.attempt import Attempt
from models.operation import Operation, State
from models.session import transaction
from models.status import AgentStatus, UnitStatus
from models.task_run import TaskRun
from models.unit import Unit
from providers import account_of, provider_of


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
    """The figures of a run, and `problems`: empty when everything is as it should be."""

    run: str
    units: dict[str, int]
    operations: list[Kind]
    calls: dict[str, dict[str, int]]
    ours: dict[str, int]
    theirs: dict[str, int]
    problems: list[str] = field(default_factory=list)
    killed: int = 0
    decided: list[str] = field(default_factory=list)
    seconds: float = 0
    flower: str = ""

    def as_json(self) -> dict[str, Any]:
        """The report for machines."""
        return asdict(self) | {"ok": not self.problems}


def report(run_id: UUID, stage: Stage, decided: Sequence[Decided]) -> Report:
    """Compare what we hold of a run with what the vendor holds, and hold every decision against what went wrong."""
    with transaction() as session:
        run = session.get_one(TaskRun, run_id)
        units = _units(session, run_id)
        kinds = _kinds(session, run_id)
        ours = _ours(session, run_id)
    theirs = _ledger(run, stage) if stage.simulated else _listing(run)
    made = Report(run.name, units, kinds, stage.calls() if stage.simulated else {}, _count(ours), _count(theirs))
    made.decided = [one.told for one in decided]
    made.problems = _unfinished(units, kinds) + _differences(ours, theirs) + _unexplained(decided)
    return made


Effects = Counter[tuple[str, str]]
"""How often each effect happened: kind and what it was done to."""


def _count(effects: Effects) -> dict[str, int]:
    total: Counter[str] = Counter()
    for (kind, _), times in effects.items():
        total[kind] += times
    return dict(total)


def _units(session: Session, run_id: UUID) -> dict[str, int]:
    counted = select(Unit.status, func.count()).where(Unit.task_run_id == run_id).group_by(Unit.status)
    return {str(status): number for status, number in session.execute(counted)}


def _kinds(session: Session, run_id: UUID) -> list[Kind]:
    """Requests are counted by the attempts that carried at least one of the operations."""
    counted = select(Operation.kind, Operation.state, func.count(), func.array_agg(Operation.id))
    counted = counted.where(Operation.run_id == run_id).group_by(Operation.kind, Operation.state)
    rows = session.execute(counted.order_by(func.min(Operation.created_at))).all()
    return [Kind(kind, str(state), number, *_requests(session, ids)) for kind, state, number, ids in rows]


def _requests(session: Session, ids: Sequence[UUID]) -> tuple[int, int]:
    bad = func.count().filter(Attempt.outcome.notin_(GOOD))
    row = session.execute(select(func.count(), bad).where(Attempt.operation_ids.overlap(ids))).one()
    return row[0], row[1]


def _ours(session: Session, run_id: UUID) -> Effects:
    """The effects that we believe in: one a confirmed operation, and all launches together are one number."""
    confirmed = select(Operation).where(Operation.run_id == run_id, Operation.state == State.CONFIRMED)
    effects: Effects = Counter()
    for row in session.scalars(confirmed):
        if row.kind == "launch":
            effects["places", ""] = max(effects["places", ""], row.body["places"])
        else:
            effects[row.kind, row.target if row.kind == "approve" else ""] += 1
    return effects


def _ledger(run: TaskRun, stage: Stage) -> Effects:
    """The simulator's ledger in the same terms."""
    names = {"study_created": "draft", "study_published": "publish", "submission_approved": "approve"}
    effects: Effects = Counter()
    for effect in stage.ledger():
        if effect["study"] != run.facts.get("study_id"):
            effects["another study", effect["study"]] += 1
        elif effect["kind"] == "places_set":
            effects["places", ""] = effect["places"]
        else:
            effects[names.get(effect["kind"], effect["kind"]), effect["submission"] or ""] += 1
    effects["places", ""] = max(effects["places", ""], 1)
    return effects


def _listing(run: TaskRun) -> Effects:
    """What a vendor without a ledger shows: its list of submissions; the rest is taken on our word."""
    with transaction() as session:
        account = account_of(session.get_one(TaskRun, run.id).requester)
        effects = Counter({key: times for key, times in _ours(session, run.id).items() if key[0] != "approve"})
    provider = provider_of(account)
    for page in patiently(lambda: list(provider.observe(run.facts))):
        effects.update(("approve", row.submission_id) for row in page if row.status is AgentStatus.APPROVED)
    return effects


def _unfinished(units: dict[str, int], kinds: list[Kind]) -> list[str]:
    left = [f"{number} units are {status}" for status, number in units.items() if status != UnitStatus.ACCEPTED]
    return left + [f"{row.operations} x {row.kind} is {row.state}" for row in kinds if row.state != State.CONFIRMED]


def _differences(ours: Effects, theirs: Effects) -> list[str]:
    told = []
    for kind, target in sorted(ours.keys() | theirs.keys()):
        here, there = ours[kind, target], theirs[kind, target]
        if here != there:
            told.append(f"{kind} {target}: {here} by our rows, {there} at the vendor".replace("  ", " "))
    return told


def _unexplained(decided: Sequence[Decided]) -> list[str]:
    """A person may only be needed where a request went wrong."""
    return [f"it came to a person without a fault: {one.told}" for one in decided if not one.faults]


def submitted(session: Session, run_id: UUID, most: int) -> Sequence[Agent]:
    """Up to `most` agents whose work waits for somebody to approve it."""
    waiting = select(Agent).where(Agent.task_run_id == run_id, Agent.status == AgentStatus.COMPLETED)
    unasked = waiting.where(~exists().where(Operation.agent_id == Agent.id)).order_by(Agent.id)
    return session.scalars(unasked.limit(max(0, most))).all()
