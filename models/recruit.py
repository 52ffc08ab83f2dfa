"""Offering units to the crowd and ending it: runs and units go in, operations come out, in the caller's transaction.

Places are absolute numbers that only grow, and raising them would open a stopped study again: nothing is launched
once a run is expired.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import ARRAY, BigInteger, Uuid, func, literal, select, update
from sqlalchemy.orm.attributes import set_committed_value

from models.budget import Spend, assert_within, fees_of_places
from models.clock import now
from models.operation import Operation, State
from models.plan import AT_ONCE, FALLEN, Intent, plan, session_of
from models.session import UNSEEN
from models.status import IllegalMoveError, UnitStatus

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy.orm import Session

    from models.task_run import TaskRun
    from models.unit import Unit

OFFERS = ("draft", "publish", "launch", "resume")
"""Kinds that let people in; none of them is sent once the run is expired."""
WITHDRAWN = "the run was expired"


def launch(run: TaskRun, units: Sequence[Unit], after_id: UUID | None = None) -> list[Operation]:
    """Plan one more place for each unit that has none yet, as an absolute number that the database knows.

    Raises:
        IllegalMoveError: the run is expired.
        BudgetError: the new places would go beyond the run's budget or a limit of the account.
    """
    session = session_of(run)
    # Whoever launches units of this run at the same moment waits here, and then sees their places.
    session.refresh(run, ["places", "is_expired"], with_for_update={"key_share": True})
    if run.is_expired:
        raise IllegalMoveError(f"Run {run.name!r} is expired: more places would open its study again.")
    _see_places(session, [unit for unit in units if unit.place is None])
    new = [unit for unit in units if unit.place is None]
    _place(session, run, new)
    return plan(
        session,
        [
            Intent(
                requester_id=run.requester_id,
                kind="launch",
                target=str(unit.id),
                body={"places": unit.place},
                run_id=run.id,
                unit_id=unit.id,
                after_id=after_id,
            )
            for unit in units
        ],
    )


def _place(session: Session, run: TaskRun, units: Sequence[Unit]) -> None:
    """Give the units the next places, which reserves their pay, if that is within the budget."""
    if not units:
        return
    places = range(run.places + 1, run.places + len(units) + 1)
    fees = fees_of_places(session, run, places)
    spends = [Spend(amount_minor=unit.pay_minor, fee_minor=fee) for unit, fee in zip(units, fees, strict=True)]
    assert_within(session, run, spends)
    run.places = places[-1]
    session.flush()
    columns = literal([unit.id for unit in units], ARRAY(Uuid)), literal([*places], ARRAY(BigInteger))
    given = func.unnest(*columns).table_valued("unit", "place").render_derived()
    table = type(units[0])
    placed = update(table).where(table.id == given.c.unit).values(place=given.c.place)
    session.execute(placed, execution_options=UNSEEN)
    for unit, place in zip(units, places, strict=True):
        set_committed_value(unit, "place", place)


def _see_places(session: Session, units: Sequence[Unit]) -> None:
    for start in range(0, len(units), AT_ONCE):
        ids = [unit.id for unit in units[start : start + AT_ONCE]]
        fresh = select(type(units[0])).where(type(units[0]).id.in_(ids))
        session.scalars(fresh.execution_options(populate_existing=True)).all()


def expire(run: TaskRun) -> Operation | None:
    """End the recruiting: who is at work may finish and is paid, every other unit expires once the study is stopped.

    What was not sent yet is withdrawn. Returns the operation that stops the study; None where nothing was ever sent,
    so that there is nothing to stop.
    """
    session = session_of(run)
    session.refresh(run, with_for_update={"key_share": True})
    run.is_expired = True
    session.flush()
    _withdraw(session, run)
    drafts = select(Operation).where(Operation.run_id == run.id, Operation.kind == "draft")
    if session.scalars(drafts.where(Operation.state.notin_(FALLEN)).limit(1)).first() is None:
        expire_units(session, run.id)
        run.is_completed = True
        return None
    return plan(session, [_of_run(run, "stop", key=str(_stops(session, run)))])[0]


def _stops(session: Session, run: TaskRun) -> int:
    """The number of the stop that is wanted: a further one, if the study was stopped and is open all the same."""
    stops = select(Operation.state).where(Operation.run_id == run.id, Operation.kind == "stop")
    done = session.scalars(stops.where(Operation.state == State.CONFIRMED)).all()
    return max(1, len(done) + (not run.is_stopped))


def _withdraw(session: Session, run: TaskRun) -> None:
    """Cancel what would offer more places and was never sent; what was sent is let go of when it is settled."""
    unsent = (Operation.state == State.PLANNED, Operation.first_sent_at.is_(None))
    values = {"state": State.CANCELLED, "settled_at": now(), "reason": WITHDRAWN}
    session.execute(
        update(Operation).where(Operation.run_id == run.id, Operation.kind.in_(OFFERS), *unsent).values(values),
        execution_options=UNSEEN,
    )
    session.expire_all()


def expire_units(session: Session, run_id: UUID) -> None:
    """Nobody can take the units of this run any more that nobody has."""
    from models.unit import Unit  # noqa: PLC0415 - a unit's verbs need this module

    waiting = (UnitStatus.CREATED, UnitStatus.LAUNCHED)
    over = select(Unit.id).where(Unit.task_run_id == run_id, Unit.status.in_(waiting))
    locked = over.order_by(Unit.place).with_for_update(key_share=True)
    gone = update(Unit).where(Unit.id.in_(locked)).values(status=UnitStatus.EXPIRED)
    session.execute(gone, execution_options=UNSEEN)


def pause(run: TaskRun) -> Operation:
    """Let nobody else in for now; who is at work goes on."""
    return _turn(run, "pause", "resume")


def resume(run: TaskRun) -> Operation:
    """Let people in again after a pause.

    Raises:
        IllegalMoveError: the run was never paused, or is expired.
    """
    return _turn(run, "resume", "pause")


def _turn(run: TaskRun, wanted: str, other: str) -> Operation:
    """Plan the next pause or resumption behind the last one; the same again is the one that is there."""
    session = session_of(run)
    session.refresh(run, with_for_update={"key_share": True})
    if run.is_expired:
        raise IllegalMoveError(f"Run {run.name!r} is expired, so there is nothing to {wanted}.{_instead(run, wanted)}")
    mine = select(Operation).where(Operation.run_id == run.id, Operation.kind.in_((wanted, other)))
    turns = session.scalars(mine).all()
    standing = [row for row in turns if row.state not in FALLEN]
    last = max(standing, key=lambda row: int(row.body["turn"]), default=None)
    if last is not None and last.kind == wanted:
        return last
    if last is None and wanted == "resume":
        raise IllegalMoveError(f"Run {run.name!r} was not paused, so there is nothing to resume.")
    turn = 1 + max((int(row.body["turn"]) for row in turns), default=0)
    before = last.id if last is not None else _published(session, run)
    return plan(session, [_of_run(run, wanted, key=str(turn), body={"turn": turn}, after_id=before)])[0]


def _instead(run: TaskRun, wanted: str) -> str:
    if wanted != "resume":
        return ""
    again = f"`crowdops run again {run.id}` offers what it lacks as a run of its own."
    return f" Its study would open again only with more places than are wanted. {again}"


def _published(session: Session, run: TaskRun) -> UUID | None:
    """What a first pause has to wait for."""
    publish = select(Operation).where(Operation.run_id == run.id, Operation.kind == "publish")
    rows = [row for row in session.scalars(publish) if row.state not in FALLEN]
    return rows[0].id if rows else None


def _of_run(run: TaskRun, kind: str, **fields: Any) -> Intent:  # noqa: ANN401 - the fields of an intent
    return Intent(requester_id=run.requester_id, kind=kind, target=str(run.id), run_id=run.id, **fields)
