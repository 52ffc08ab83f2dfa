"""Makes a run that takes up what another one left: the old run goes in, the new one with its operations comes out."""

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from hashlib import sha256
from uuid import UUID

from sqlalchemy.orm import Session

from models import followup
from models.assignment import Row
from models.plan import ConflictError
from models.status import IllegalMoveError
from models.task_run import TaskRun
from providers.contract import Quote
from tasks.runs import Spec, write


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to follow a run, as it was seen at one moment."""

    spec: Spec
    rows: Sequence[Row]

    @property
    def places(self) -> int:
        """How many units there are in all."""
        return sum(row.units for row in self.rows)


def existing(old: TaskRun, name: str | None) -> TaskRun | None:
    """The run that follows the old one already.

    Raises:
        ConflictError: it has another name than the one that is wanted.
    """
    found = followup.after(old)
    if found is not None and name not in (None, found.name):
        raise ConflictError(
            f"Run {old.name!r} is followed by {found.name!r} already, so nothing else follows it. What that one lacks "
            f"in the end goes out with `crowdops run again {found.id}`."
        )
    return found


def wanted(old: TaskRun, name: str) -> Wanted:
    """What a run of this name offers: a unit for each that the old run, and those before it, lack.

    Raises:
        IllegalMoveError: somebody may still come to the old run, or it lacks nothing.
    """
    followup.assert_over(old)
    rows = followup.lacking(old)
    if not rows:
        raise IllegalMoveError(
            f"Run {old.name!r} lacks nothing: every unit has work that is accepted or still to be decided on."
        )
    args = old.args | {"name": name, followup.FOLLOWS: str(old.id)}
    spec = Spec(
        name=name,
        project=old.task.project.name,
        task=old.task.name,
        task_url=old.task_url,
        pay_minor=old.pay_minor,
        currency=old.currency,
        budget_minor=old.budget_minor,
        units_per_assignment=1,
        args=args,
        content_hash=sha256(json.dumps([args, *map(astuple, rows)], sort_keys=True).encode()).hexdigest(),
        sandbox=old.sandbox,
        refill=old.refill,
    )
    return Wanted(spec, rows)


def create(session: Session, old_id: UUID, seen: Wanted, cost: Quote | None = None) -> tuple[TaskRun, bool]:
    """Write the run that was `seen` to be wanted and costs so much; one that follows already is returned, with False.

    Raises:
        ConflictError: a run of this name exists with other content, or the old run is not as it was seen.
        IllegalMoveError: somebody may come to the old run again.
    """
    # Whoever makes a run that follows this one at the same moment waits here, and then sees this one.
    old = session.get_one(TaskRun, old_id, with_for_update={"key_share": True}, populate_existing=True)
    if found := existing(old, seen.spec.name):
        return found, False
    if wanted(old, seen.spec.name) != seen:
        raise ConflictError(f"Work on run {old.name!r} came in at this very moment. Nothing was launched: try again.")
    spec = seen.spec
    if cost is not None:
        spec = replace(spec, quoted_minor=cost.total_minor, quoted_places=seen.places)
    return write(session, old.requester, spec, seen.rows)
