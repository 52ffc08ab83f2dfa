"""Launching, step by step: what makes a run goes in; the rehearsal of it, or the run itself, comes out, and is told."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cli import console, lookup, money, pause
from cli.failure import UnknownNameError
from cli.offer import Offer, Price
from cli.runfile import Wanted
from models import failpoints
from models.identity import run_id
from models.operation import Operation
from models.plan import ConflictError
from models.requester import Requester
from models.session import transaction
from models.task_run import TaskRun
from models.unit import Unit
from providers import provider_class
from providers.contract import Quote
from tasks import dispatch, runs

Make = Callable[[Session], tuple[TaskRun, bool]]
"""Writes a run with everything that is to be done; False with a run that was there already."""


@dataclass(frozen=True, slots=True)
class Launched:
    """A run as it was planned."""

    run_id: UUID
    units: int
    operations: Mapping[str, int]
    """By kind."""
    fresh: bool
    """False for a run that was there already."""


def args_of(name: str) -> type[BaseModel] | None:
    """The model of what the vendor of an account understands; None if the account is not known."""
    with transaction() as session:
        try:
            return provider_class(lookup.requester(session, name).provider_type).ArgsClass
        except UnknownNameError:
            return None


def existing(session: Session, requester: Requester, wanted: Wanted) -> Launched | None:
    """The run, if this file was launched before.

    Raises:
        ConflictError: a run of this name has other content.
    """
    run = session.get(TaskRun, run_id(requester.id, wanted.file.name))
    if run is None:
        return None
    if run.content_hash != wanted.spec(sandbox=run.sandbox).content_hash:
        raise ConflictError(
            f"A run named {run.name!r} was launched before with other content: see `crowdops run show {run.id}`. "
            "Give the new one another name."
        )
    return planned(session, run, fresh=False)


def of_file(requester: Requester, wanted: Wanted, cost: Quote, *, sandbox: bool) -> Make:
    """What makes the run of a run file that costs so much."""
    spec = wanted.spec(sandbox=sandbox, cost=cost)
    return lambda session: runs.create(session, requester, spec, wanted.rows)


def rehearse(make: Make) -> Launched:
    """What a launch would plan: it is planned for real, and taken back before anybody can see it."""
    with transaction() as session:
        run, fresh = make(session)
        session.flush()
        done = planned(session, run, fresh=fresh)
        session.rollback()
    return done


def launch(make: Make) -> Launched:
    """Put the run on record with everything that is to be done, and wake the workers.

    Raises:
        ConflictError: a run of this name has other content.
        BudgetError: it goes beyond a limit of the account.
    """
    with transaction() as session:
        run, fresh = make(session)
        session.flush()
        done = planned(session, run, fresh=fresh)
    failpoints.hit("after_plan")
    dispatch.wake()
    return done


def planned(session: Session, run: TaskRun, *, fresh: bool) -> Launched:
    """A run with what was planned for it so far."""
    kinds = select(Operation.kind, func.count()).where(Operation.run_id == run.id).group_by(Operation.kind)
    operations = Counter(dict(session.execute(kinds.order_by(func.min(Operation.created_at))).all()))
    units = session.scalars(select(func.count()).where(Unit.task_run_id == run.id)).one()
    return Launched(run.id, units, dict(operations), fresh)


def data(wanted: Offer, done: Launched, price: Price | None, *, dry_run: bool) -> dict[str, Any]:
    """A launch as programs read it."""
    return {
        "name": wanted.name,
        "id": done.run_id,
        "dry_run": dry_run,
        "already_launched": not done.fresh,
        "title": wanted.title,
        "task_url": wanted.task_url,
        "units": done.units,
        "operations": done.operations,
        "currency": wanted.currency,
        "pay_minor": wanted.pay_minor,
        "budget_minor": wanted.budget_minor,
        "cost_minor": price.cost.total_minor if price else None,
        "balance_minor": price.balance.total_minor if price else None,
    }


def tell(requester: Requester, wanted: Offer, done: Launched, price: Price | None, *, dry_run: bool) -> None:
    """Say what was launched, or would be, and what comes of it."""
    currency = wanted.currency
    shown: dict[str, object] = {"run": wanted.name, "id": done.run_id}
    if price is not None and dry_run:
        shown = {"run": wanted.name, "account": requester.name, "title": wanted.title, "page": wanted.task_url}
    shown |= {"units": done.units, "pay": f"{money.shown(wanted.pay_minor, currency)} each"}
    if price is not None:
        shown |= {
            "cost": f"{money.shown(price.cost.total_minor, currency)}, fees included",
            "budget": money.shown(wanted.budget_minor, currency),
            "balance": money.shown(price.balance.total_minor, currency),
        }
    shown["operations"] = done.operations
    console.facts(shown)
    with transaction() as session:
        console.say(_outcome(done, pause.of(session, requester), dry_run=dry_run))


def _outcome(done: Launched, paused: pause.Pause | None, *, dry_run: bool) -> str:
    if not done.fresh:
        return "This run was already launched: nothing was added."
    if dry_run:
        return "This is what would be asked of the vendor. Nothing was written, and nothing was sent."
    if paused is not None:
        return f"The run is recorded, and waits. {paused.told}"
    return f"The run is recorded, and the workers carry it out. Follow it with `crowdops run watch {done.run_id}`."
