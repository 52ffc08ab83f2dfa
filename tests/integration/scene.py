"""One account at a simulated Prolific: intents go in through `models`, and `tasks` carries them out in this process."""

from datetime import timedelta

from sqlalchemy import func, select, update

from models import clock, review
from models.agent import Agent
from models.attempt import Attempt
from models.discrepancy import Discrepancy
from models.group import Group
from models.identity import group_id, requester_id
from models.operation import FINAL, IN_DOUBT, Operation
from models.requester import Requester
from models.session import transaction
from models.settings import settings
from models.task_run import TaskRun
from models.unit import Unit
from providers import account_of, provider_class, provider_of
from providers.prolific.simulator import group as vendor
from providers.prolific.simulator.identity import identifier
from tasks import claims, dispatch, engine, execute, handin, reconcile, runs, sweep
from tasks.resolve import resolve
from tests.integration import saved

DRAFT, LAUNCH, BULK = "POST studies/", "PATCH studies/{id}/", "POST submissions/bulk-approve/"
STUDY_MOVE, DECISION = "POST studies/{id}/transition/", "POST submissions/{id}/transition/"
COUNTS, LISTING = "GET studies/{id}/submissions/counts/", "GET submissions/"
EFFECTS = {
    "draft": "study_created",
    "publish": "study_published",
    "approve": "submission_approved",
    "bonus": "bonus_paid",
}


def spec(name, **changes):
    """A run that is wanted."""
    fields = {
        "name": name,
        "project": "default",
        "task": "compare",
        "task_url": "https://example.org/task",
        "pay_minor": 120,
        "currency": "GBP",
        "budget_minor": 100_000,
        "units_per_assignment": 1,
        "args": {
            "title": "Compare two pictures",
            "description": "Choose one.",
            "estimated_minutes": 2,
            "maximum_minutes": 20,
            "completion_codes": ["C0DE"],
            "provider": {},
        },
        "content_hash": "first",
        "sandbox": True,
    }
    return runs.Spec(**(fields | changes))


class Scene:
    """A test acts as the operator (`plan`, `approve`), as the fleet (`send`, `read`) and as the crowd (`hand_in`)."""

    def __init__(self, simulator, name="lab", rate=200.0, *, block_list=True):
        """With `block_list`, the account's list of the blocked is at the vendor already, as after its first run."""
        self.simulator = simulator
        self.account = requester_id("prolific", name)
        facts = {"workspace": simulator.state.workspace, "project": simulator.state.project}
        with transaction() as session:
            session.add(
                provider_class("prolific").RequesterClass(
                    id=self.account,
                    name=name,
                    credential="env:CROWDOPS_PROLIFIC_TOKEN",
                    facts=facts,
                    rate=rate,
                    tokens=rate,
                )
            )
        if block_list:
            self._make_block_list(f"crowdops {name}: blocked")

    def _make_block_list(self, name):
        state = self.simulator.state
        with state.turn():
            made = vendor.Group(identifier(state.seed, "group", len(state.groups)), name, workspace=state.workspace)
            state.groups[made.id] = made
        row = {"id": group_id(self.account, name), "requester_id": self.account, "name": name, "vendor_id": made.id}
        with transaction() as session:
            session.add(Group(**row))

    # --- the operator -------------------------------------------------------------------------------------------

    def plan(self, units=2, name="run", **changes):
        """Plan a run; nothing is sent."""
        with transaction() as session:
            account = session.get_one(Requester, self.account)
            run, _ = runs.create(session, account, spec(name, **changes), [{"row": row} for row in range(units)])
            return run.id

    def live(self, units=2, name="run", **changes):
        """A run whose study recruits and whose units are launched."""

        def make():
            run = self.plan(units, name, **changes)
            self.hasten(run)
            self.settle()
            self.simulator.advance(3)
            return run

        return saved.once(self, ("live", units, name, changes), make)

    def approve(self, run, *submissions):
        """Plan the approval of some submissions, or of all that are complete."""
        with transaction() as session:
            agents = select(Agent).where(Agent.task_run_id == run).order_by(Agent.submission)
            wanted = Agent.submission.in_(submissions) if submissions else Agent.status == "completed"
            return review.approve(session.get_one(TaskRun, run), session.scalars(agents.where(wanted)).all())

    # --- the crowd ----------------------------------------------------------------------------------------------

    def study(self, run):
        """The vendor's id of the run's study."""
        return self.get(TaskRun, run).facts["study_id"]

    def hand_in(self, run, how_many=1):
        """People take places and finish; the ids of their submissions."""
        study = self.study(run)
        submissions = [self.simulator.state.take_place(study).id for _ in range(how_many)]
        for submission in submissions:
            self.simulator.state.finish(submission)
        return submissions

    def completed(self, run, how_many=1):
        """The same, and we know of it."""

        def make():
            submissions = self.hand_in(run, how_many)
            self.reconcile(run)
            return submissions

        return saved.once(self, ("completed", run, how_many), make)

    # --- the fleet ----------------------------------------------------------------------------------------------

    def send(self, *operations):
        """Claim these operations and carry out what was claimed; the claims."""
        made = claims.claim([operation.id for operation in operations])
        for claim in made:
            engine.carry_out(claim)
        return made

    def read(self, *operations):
        """Read back what is in doubt among these operations."""
        resolve([operation.id for operation in operations])

    def provider(self):
        """What speaks to the vendor for the account."""
        with transaction() as session:
            return provider_of(account_of(session.get_one(Requester, self.account)))

    def reconcile(self, run, **options):
        """Bring one run up to date with the vendor."""
        reconcile.reconcile_run(self.provider().account, run, **options)

    def turn(self):
        """What beat and one worker do in a moment: sweep, nudge what is due, work on it."""
        sweep.sweep()
        return self.work()

    def work(self):
        """What one worker does in a moment."""
        messages = dispatch.take()
        for _, _, ids in messages:
            execute.run(ids)
        return messages

    def hasten(self, run, most=6):
        """Carry out a run's operations one after the other, by the shortest way there is: as far as all goes well."""
        for _ in range(most):
            left = self.all(Operation, Operation.run_id == run, Operation.state.notin_(FINAL))
            doubtful = [operation for operation in left if operation.state in IN_DOUBT]
            if doubtful:
                self.later(30)
                self.read(*doubtful)
            elif not left or not self.send(*left):
                return

    def settle(self, most=100):
        """Go on until every operation is final; time jumps ahead where there is nothing to do."""
        for _ in range(most):
            if self.states() <= FINAL:
                return
            self.step()
        left = [(row.kind, row.state, row.reason) for row in self.operations() if row.state not in FINAL]
        assert not left, f"still open after {most} turns: {left}"

    def later(self, seconds):
        """Let time pass, ours and the vendor's."""
        with transaction() as session:
            clock.advance(session, timedelta(seconds=seconds))
        self.simulator.advance(seconds)

    def step(self, least=30):
        """Do what is due; if nothing is, let time pass until something may be."""
        if not self.work() and not self.turn():
            self.later(max(least, self.idle()))

    def idle(self):
        """Seconds until the first of the open operations may be worked on again, as far as can be told; else 0."""
        nudged = Operation.nudged_at + timedelta(seconds=settings().timing.nudge_window)
        moments = [column.label(None) for column in (Operation.next_at, Operation.lease_until, nudged)]
        rows = select(*moments, Requester.paused_until).join(Operation.requester).where(Operation.state.notin_(FINAL))
        times = rows.subquery().c
        first = func.least(*(func.min(time).filter(time > clock.now()) for time in times))
        with transaction() as session:
            return float(session.scalar(select(func.extract("epoch", first - clock.now()))) or 0)

    def put(self, operation, **values):
        """Bring an operation to another place than its own way led it."""
        with transaction() as session:
            session.execute(update(Operation).where(Operation.id == operation.id).values(values))

    def seconds_until(self, moment):
        """How far off a time is."""
        with transaction() as session:
            return (moment - session.scalar(select(clock.now()))).total_seconds()

    def token(self, agent):
        """What the page of an agent's worker was given, to hand in with."""
        with transaction() as session:
            row = session.get_one(Agent, agent)
            return handin.token_of(row.task_run, row.id, row.worker.name)

    # --- looking ------------------------------------------------------------------------------------------------

    def get(self, table, key):
        """One row."""
        with transaction() as session:
            return session.get_one(table, key)

    def all(self, table, *where):
        """The rows of a table, oldest first."""
        with transaction() as session:
            return session.scalars(select(table).where(*where).order_by(table.created_at, table.id)).all()

    def operations(self, *kinds):
        """Operations of these kinds, or all."""
        return self.all(Operation, *([Operation.kind.in_(kinds)] if kinds else []))

    def only(self, kind):
        """The one operation of a kind."""
        (found,) = self.operations(kind)
        return found

    def states(self, *kinds):
        """Where the operations of these kinds stand."""
        states = select(Operation.state).distinct()
        with transaction() as session:
            return set(session.scalars(states.where(Operation.kind.in_(kinds)) if kinds else states))

    def attempts(self, *where):
        """What was put on record before it was sent."""
        return self.all(Attempt, *where)

    def findings(self):
        """What was reported to a person."""
        return [row.finding for row in self.all(Discrepancy)]

    def units(self):
        """Every unit's status."""
        return [row.status for row in self.all(Unit)]

    def unit_words(self):
        """The same as words, in the order of the alphabet."""
        return sorted(map(str, self.units()))

    def agent_words(self):
        """Every agent's status, oldest first."""
        return [str(agent.status) for agent in self.all(Agent)]

    def calls(self, endpoint):
        """How many calls the vendor got at an endpoint."""
        return self.simulator.totals.get(endpoint, {}).get("calls", 0)

    def effects(self, kind):
        """What the vendor really did."""
        return [effect for effect in self.simulator.state.ledger if effect.kind == EFFECTS.get(kind, kind)]

    def fault(self, endpoint, kind, **options):
        """Spoil the next call to an endpoint."""
        self.simulator.faults.next(endpoint, kind, **options)
