"""`crowdops agent`: who worked on what, where that stands, and what was handed in."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from cli import console, findings, lookup
from cli.console import Json
from cli.servers import embedded
from models.agent import Agent
from models.operation import Operation
from models.requester import Requester
from models.session import transaction
from models.status import AgentStatus

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.command("list")
@embedded()
def list_(
    *,
    run: Annotated[str, typer.Option("--run", metavar="NAME|ID", help="The run.")],
    status: Annotated[AgentStatus | None, typer.Option(help="Only those who stand there.")] = None,
    without_data: Annotated[
        bool, typer.Option("--without-data", help="Only those whose page has handed in nothing.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    as_json: Json = False,
) -> None:
    """List the agents of a run: each is one person's attempt at a unit. The last that moved come first."""
    with transaction() as session:
        found = select(Agent).where(Agent.task_run_id == lookup.run(session, run).id)
        if status is not None:
            found = found.where(Agent.status == status)
        if without_data:
            found = found.where(Agent.data.is_(None))
        rows = session.scalars(found.order_by(Agent.moved_at.desc(), Agent.id).limit(limit + 1)).all()
    if as_json:
        console.document([_data(row) for row in rows[:limit]])
        return
    columns = ("id", "status", "since", "unit", "submission", "handed in")
    console.table(columns, [_line(row) for row in rows[:limit]])
    if len(rows) > limit:
        console.say(f"There are more than {limit}: narrow it down, or raise --limit.")


def _line(row: Agent) -> tuple[object, ...]:
    unit = str(row.unit_id)[:8] if row.unit_id else None
    handed_in = (row.submitted_at or True) if row.data is not None else None
    return str(row.id)[:13], row.status, row.moved_at, unit, row.submission, handed_in


def _data(row: Agent) -> dict[str, Any]:
    """What is told about an agent; never who the worker is."""
    names = ("id", "status", "submission", "unit_id", "created_at", "moved_at", "submitted_at")
    return {name: getattr(row, name) for name in names} | {"has_data": row.data is not None}


@app.command()
@embedded()
def show(
    typed: Annotated[str, typer.Argument(metavar="ID", help="The agent's id, or its first 8 digits or more.")],
    *,
    as_json: Json = False,
) -> None:
    """Show one agent: its unit, its times, what was handed in, its operations, and what is strange about it."""
    with transaction() as session:
        row = lookup.agent(session, typed)
        facts = _data(row) | _around(session, row) | {"data": row.data}
        operations = session.scalars(select(Operation).where(Operation.agent_id == row.id)).all()
        strange = session.scalars(findings.of_agent(row)).all()
    if as_json:
        decided = [{name: getattr(one, name) for name in _COLUMNS} for one in operations]
        console.document({**facts, "operations": decided, "discrepancies": [*map(findings.data, strange)]})
        return
    facts["handed_in"] = facts.pop("data") or "nothing"
    facts.pop("has_data")
    console.facts(facts)
    _tables(operations, strange)


_COLUMNS = ("id", "kind", "state", "hold", "reason", "created_at", "settled_at")


def _tables(operations: Sequence[Operation], strange: Sequence[Any]) -> None:
    if operations:
        lines = [(str(one.id)[:13], one.kind, one.state, one.hold or one.reason) for one in operations]
        console.table(("operation", "kind", "state", "why"), lines)
    if strange:
        console.table((*findings.COLUMNS, "resolved"), [(*findings.line(one), one.resolved_at) for one in strange])


def _around(session: Session, row: Agent) -> dict[str, Any]:
    unit = row.unit
    return {
        "run": row.task_run.name,
        "account": session.get_one(Requester, row.requester_id).name,
        "unit_status": unit.status if unit else None,
        "holds_unit": unit is not None and unit.agent_id == row.id,
        "assignment": unit.assignment.index if unit else None,
        "input": unit.assignment.data if unit else None,
    }
