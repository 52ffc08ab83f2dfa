"""`crowdops review`: what was handed in is decided on."""

from collections import Counter
from typing import Annotated

import typer
from sqlalchemy import select

from cli import console, lookup
from cli.console import Json
from cli.servers import embedded
from models import review
from models.agent import Agent
from models.operation import Operation
from models.session import transaction
from models.status import AgentStatus
from tasks import dispatch

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def _group() -> None:
    """Decide on the work that came back."""


@app.command()
@embedded()
def approve(
    *,
    name: Annotated[str, typer.Option("--run", metavar="NAME|ID", help="The run.")],
    agent: Annotated[list[str] | None, typer.Option(metavar="ID", help="Only this agent; may be repeated.")] = None,
    as_json: Json = False,
) -> None:
    """Accept the work of a run that is complete, so that the vendor pays it.

    The same again shows the approvals that are there.
    """
    with transaction() as session:
        run = lookup.run(session, name)
        complete = select(Agent).where(Agent.task_run_id == run.id, Agent.status == AgentStatus.COMPLETED)
        agents = lookup.agents(session, run, agent) if agent else list(session.scalars(complete.order_by(Agent.id)))
        approvals = select(Operation.id).where(Operation.run_id == run.id, Operation.kind == "approve")
        before = set(session.scalars(approvals))
        operations = review.approve(run, agents)
    dispatch.wake()
    there = Counter(operation.state for operation in operations if operation.id in before)
    planned = len(operations) - there.total()
    if as_json:
        console.document({"run": run.id, "planned": planned, "existing": there})
        return
    console.say(f"Planned for {run.name}: {console.counted(planned, 'approval')}.")
    if there:
        console.say(f"There already: {console.counted(there.total(), 'approval')} ({console.cell(there)}).")
    if not operations:
        console.say("No work waits for a decision. See `crowdops run show`, or ask the vendor: `crowdops reconcile`.")
