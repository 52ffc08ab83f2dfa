"""`crowdops qualification`: what workers were granted is listed, and what nobody asks for any more is deleted."""

from typing import Annotated, Any

import typer
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cli import cleanup, console
from cli.console import Json
from cli.servers import embedded
from models.granted_qualification import GrantedQualification
from models.group import Group
from models.qualification import Qualification
from models.session import transaction
from tasks import dispatch, qualification

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def _group() -> None:
    """List what workers were granted, and delete what is of no more use."""


@app.command("list")
@embedded()
def list_(*, as_json: Json = False) -> None:
    """List qualifications with how many workers have a number in each, and how many groups at vendors follow it."""
    with transaction() as session:
        rows = [_line(session, row) for row in session.scalars(select(Qualification).order_by(Qualification.name))]
    if as_json:
        console.document(rows)
        return
    console.table(("name", "workers", "groups", "first granted"), [tuple(row.values()) for row in rows])


def _line(session: Session, row: Qualification) -> dict[str, Any]:
    numbers = {
        name: session.scalars(select(func.count()).where(column == row.id)).one()
        for name, column in (
            ("workers", GrantedQualification.qualification_id),
            ("groups", Group.qualification_id),
        )
    }
    return {"name": row.name, **numbers, "created_at": row.created_at}


@app.command()
@embedded()
def delete(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The qualification's name.")], *, as_json: Json = False
) -> None:
    """Forget a qualification with everybody's number in it, and delete its groups at vendors.

    It is refused while a run that is not over asks for it. What was forgotten cannot be brought back.
    """
    with transaction() as session:
        before = cleanup.known(session)
        done = qualification.delete(session, name.strip())
        deleted = cleanup.described(done.operations, before)
    dispatch.wake()
    if as_json:
        console.document({"name": name.strip(), "workers": done.workers, "operations": deleted})
        return
    console.say(f"Deleted {name.strip()}, and the number that {console.counted(done.workers, 'worker')} had in it.")
    cleanup.tell(deleted)
