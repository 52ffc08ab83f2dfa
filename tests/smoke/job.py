"""The main job as an operator does it while the fleet works: plan, wait for people, approve, and check the ledger."""

from collections import Counter

from sqlalchemy import select, update

from models.agent import Agent
from models.operation import Operation, State
from models.session import transaction
from models.status import AgentStatus, UnitStatus
from models.task_run import TaskRun
from models.unit import Unit
from tasks import dispatch
from tests.integration.scene import Scene

LONG = 100
"""Seconds that recovery may take; it needs a lease of six, on a machine that is busy with other tests."""


class Job(Scene):
    """What one account does; each step wakes the fleet and waits until it shows."""

    def __init__(self, simulator, name, eventually):
        super().__init__(simulator, name, rate=50.0)
        self.eventually = eventually
        self._runs = []

    def planned(self, units=1):
        """A new run, on record; nobody was told."""
        self._runs.append(self.plan(units, f"run {len(self._runs)}"))
        return self._runs[-1]

    def launched(self, units=1):
        """A new run whose units are offered to the crowd."""
        run = self.planned(units)
        dispatch.wake()
        self.until(lambda: self.statuses(Unit, run) == {UnitStatus.LAUNCHED})
        self.until(lambda: self.simulator.state.study(self.study(run)).status == "ACTIVE")
        return run

    def handed_in(self, units=1):
        """A new run whose units were all done by somebody, as reconciliation has seen."""
        run = self.launched(units)
        self.hand_in(run, units)
        self.until(lambda: self.statuses(Agent, run) == {AgentStatus.COMPLETED})
        return run

    def approved(self, run):
        """Plan the approval of everything that was handed in."""
        operations = self.approve(run)
        dispatch.wake()
        return operations

    def over(self):
        """Nothing of this account is asked about any more, which would be work for the tests after this one."""
        with transaction() as session:
            mine = update(TaskRun).where(TaskRun.requester_id == self.account)
            session.execute(mine.values(is_completed=True))

    def until(self, condition):
        """Wait for the fleet."""
        return self.eventually(condition, LONG, every=0.1)

    def statuses(self, table, run):
        """The statuses of the units or agents of a run."""
        with transaction() as session:
            return set(session.scalars(select(table.status).where(table.task_run_id == run)))

    def mine(self, *kinds):
        """The account's operations, of these kinds or all."""
        of_kinds = [Operation.kind.in_(kinds)] if kinds else []
        return self.all(Operation, Operation.requester_id == self.account, *of_kinds)

    def finished(self):
        """Wait until everything is confirmed; then each effect must have happened once, and no other."""
        self.until(lambda: {row.state for row in self.mine()} == {State.CONFIRMED})
        self.check()

    def check(self):
        """Hold the vendor's ledger against our operations."""
        rows = self.mine()
        studies = {row.run_id: row.result["study_id"] for row in rows if row.kind == "draft"}
        names = {f"crowdops {row.id}" for row in rows if row.kind == "draft"}
        ledger = [effect for effect in self.simulator.state.ledger if effect.internal_name in names]
        seen = {kind: Counter() for kind in ("study_created", "study_published", "submission_approved")}
        for effect in ledger:
            if effect.kind in seen:
                seen[effect.kind][effect.submission or effect.study] += 1
        wanted = {
            "study_created": Counter(studies.values()),
            "study_published": Counter(studies[row.run_id] for row in rows if row.kind == "publish"),
            "submission_approved": Counter(row.target for row in rows if row.kind == "approve"),
        }
        assert seen == wanted
        for run, study in studies.items():
            # Absolute numbers that only grow, up to what was planned.
            places = [effect.places for effect in ledger if effect.study == study and effect.places]
            assert places == sorted(places)
            assert places[-1] == self.get(TaskRun, run).places
