"""`crowdops run cleanup`: what a run that is over has at the vendor is deleted there, and told with what is kept."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from cli import console, lookup
from cli.console import Json
from cli.recruit import Named
from cli.servers import embedded
from models import cleanup
from models.operation import Operation
from models.plan import FALLEN
from models.session import transaction
from providers import provider_class
from tasks import dispatch


@embedded()
def cleanup_(name: Named, *, as_json: Json = False) -> None:
    """Delete at the vendor what was made for a run that is over, unless another run needs it.

    That is the groups of workers who met what the run asked for. Studies stay, and so does the list of the blocked.
    """
    with transaction() as session:
        run = lookup.run(session, name)
        before = known(session)
        operations = provider_class(run.provider_type).cleanup_resources_from_task_run(session, run)
        deleted, kept = described(operations, before), cleanup.kept(run)
    dispatch.wake()
    if as_json:
        console.document({"run": run.id, "name": run.name, "operations": deleted, "kept": kept})
        return
    tell(deleted)
    for group, runs in kept.items():
        console.say(f"Kept: group {group!r}, which runs that are not over ask for: {', '.join(runs)}.")
    if not deleted and not kept:
        console.say(f"Nothing at the vendor was made for {run.name} that could be deleted.")


def known(session: Session) -> set[UUID]:
    """The deletions that are there already."""
    return set(session.scalars(select(Operation.id).where(Operation.kind == "ungroup")))


def described(operations: Sequence[Operation], before: Collection[UUID]) -> list[dict[str, Any]]:
    """Deletions of groups as programs read them; those that were not there `before` are planned now."""
    return [
        {
            "operation": row.id,
            "kind": row.kind,
            "state": row.state,
            "group": row.body["name"],
            "planned": row.id not in before,
        }
        for row in operations
    ]


def tell(deleted: Sequence[dict[str, Any]]) -> None:
    """Say what is deleted."""
    for row in deleted:
        new = "Planned" if row["planned"] else "There already"
        stands = f"operation {row['operation']}, which is {row['state']}"
        again = f" `crowdops ops retry {row['operation']}` tries it again." if row["state"] in FALLEN else ""
        console.say(f"{new}: delete group {row['group']!r} at the vendor, {stands}.{again}")
