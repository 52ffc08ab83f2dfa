"""The ledger as a test looks at it, and the moves of units and bonuses that change it."""

from collections import Counter

from sqlalchemy import select, update

from models import audit, ledger
from models.agent import Agent
from models.operation import Operation
from models.plan import Intent, plan
from models.posting import Posting, Purpose
from models.session import transaction
from models.task_run import TaskRun

WORDS = "The page shows that nothing was written into any of the fields. " * 3
QUOTED = {"quoted_minor": 3 * 120 + 100, "quoted_places": 3}


def violations():
    with transaction() as session:
        return [(one.name, one.where) for one in audit.check(session)]


def names():
    return {name for name, _ in violations()}


def entries(scene, *where):
    """How many postings of each kind there are."""
    return dict(Counter(str(row.kind) for row in scene.all(Posting, *where)))


def money(run, purpose=Purpose.PAY):
    """The sums of a run: amounts, and what is open."""
    with transaction() as session:
        found = {one.purpose: one for one in ledger.summary(session, Posting.run_id == run)}
    return found.get(purpose)


def act(run, verb):
    with transaction() as session:
        return verb(session.get_one(TaskRun, run))


def decide(run, verb, *words):
    """Plan a decision on all the work that is complete."""
    with transaction() as session:
        agents = session.scalars(select(Agent).where(Agent.task_run_id == run, Agent.status == "completed")).all()
        return verb(session.get_one(TaskRun, run), agents, *words)


def bonus(scene, run, amount=50, key="1", **changes):
    """A bonus for the first agent of a run, as its planner writes it."""
    agent = scene.all(Agent, Agent.task_run_id == run)[0]
    fields = {
        "requester_id": scene.account, "kind": "bonus", "target": agent.submission, "key": key, "amount_minor": amount,
        "currency": "GBP", "run_id": run, "agent_id": agent.id, "unit_id": agent.unit_id, "worker_id": agent.worker_id,
    }  # fmt: skip
    with transaction() as session:
        return plan(session, [Intent(**(fields | changes))])[0]


def put(operation, state, result=None):
    with transaction() as session:
        session.execute(update(Operation).where(Operation.id == operation.id).values(state=state, result=result))
