"""What is strange about a run, an account or an agent: something to ask about goes in, discrepancy rows come out."""

from typing import Any

from sqlalchemy import Select, or_, select

from models.agent import Agent
from models.discrepancy import Discrepancy
from models.operation import Operation
from models.task_run import TaskRun

OPEN = Discrepancy.resolved_at.is_(None)
COLUMNS = ("id", "finding", "about", "detail")


def every() -> Select[Discrepancy]:
    """All of them, the oldest first."""
    return select(Discrepancy).order_by(Discrepancy.created_at, Discrepancy.id)


def of_run(run: TaskRun) -> Select[Discrepancy]:
    """Those about the run's agents and operations, and those of its account that belong to no run we know."""
    agents, operations = select(Agent.id), select(Operation.id)
    mine = or_(
        Discrepancy.subject.in_(agents.where(Agent.task_run_id == run.id)),
        Discrepancy.subject.in_(operations.where(Operation.run_id == run.id)),
    )
    nobodys = Discrepancy.subject.notin_(agents) & Discrepancy.subject.notin_(operations)
    return every().where(Discrepancy.requester_id == run.requester_id, or_(mine, nobodys))


def of_agent(agent: Agent) -> Select[Discrepancy]:
    """Those about an agent, and about what was asked of the vendor for it."""
    operations = select(Operation.id).where(Operation.agent_id == agent.id)
    about = or_(Discrepancy.subject == agent.id, Discrepancy.subject.in_(operations))
    return every().where(about)


def data(row: Discrepancy) -> dict[str, Any]:
    """A discrepancy as programs read it."""
    names = ("id", "finding", "subject", "detail", "created_at", "resolved_at", "resolved_by", "note")
    return {name: getattr(row, name) for name in names}


def line(row: Discrepancy) -> tuple[object, ...]:
    """A discrepancy as a row under `COLUMNS`."""
    return str(row.id)[:13], row.finding, row.subject, row.detail
