"""`crowdops run again`: what a run that is over lacks is offered as a run of its own, to people who are new to it."""

import re
from functools import partial
from typing import Annotated
from uuid import UUID

import typer
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.orm import Session

from cli import console, launch, lookup, offer
from cli.console import Json
from cli.failure import InputError
from cli.offer import Offer, Price
from cli.recruit import Named
from cli.runfile import Line
from cli.servers import embedded
from models.session import transaction
from models.task_run import TaskRun
from providers import account_of, provider_for
from tasks import followup

_NAME: TypeAdapter[str] = TypeAdapter(Line)
_NUMBERED = re.compile(r"(.*) \(([0-9]{1,9})\)", re.DOTALL)


@embedded()
def again(
    name: Named,
    *,
    new: Annotated[
        str | None, typer.Option("--name", metavar="NEW", help="The new run's name; by default the old one's and (2).")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be asked and paid; write nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Offer what a run lacks that recruits nobody any more: a unit for each without accepted or undecided work.

    It is a run of its own with the same data, pay and budget. Who took part in the old one is not let in. Again, it
    shows the run that is there.
    """
    chosen = _checked(new) if new is not None else None
    with transaction() as session:
        old = lookup.run(session, name)
        account, shown = old.requester, _there(session, old, chosen)
    if shown is None:
        shown = _launch(old.id, chosen or _next(old.name), dry_run=dry_run)
    if as_json:
        console.document(launch.data(*shown, dry_run=dry_run) | {"follows": old.name})
        return
    console.say(f"It follows {old.name}, and lets in nobody who took part in that.")
    launch.tell(account, *shown, dry_run=dry_run)


Shown = tuple[Offer, launch.Launched, Price | None]
"""What is launched, how that was planned, and what it costs if the vendor was asked."""


def _there(session: Session, old: TaskRun, name: str | None) -> Shown | None:
    run = followup.existing(old, name)
    if run is None:
        return None
    done = launch.planned(session, run, fresh=False)
    return offer.of(run, done.units), done, None


def _launch(old_id: UUID, name: str, *, dry_run: bool) -> Shown:
    with transaction() as session:
        old = session.get_one(TaskRun, old_id)
        account, wanted = account_of(old.requester), followup.wanted(old, name)
    offered = offer.of(wanted.spec, wanted.places)
    asked = offer.price(provider_for(account, [old.sandbox]), offered)
    step = launch.rehearse if dry_run else launch.launch
    return offered, step(partial(followup.create, old_id=old_id, seen=wanted, cost=asked.cost)), asked


def _checked(name: str) -> str:
    try:
        return _NAME.validate_python(name)
    except ValidationError:
        raise InputError("--name must be 1 to 200 characters on one line. Nothing was launched.") from None


def _next(name: str) -> str:
    """The name with the next number behind it."""
    numbered = _NUMBERED.fullmatch(name)
    return f"{numbered[1]} ({int(numbered[2]) + 1})" if numbered else f"{name} (2)"
