"""What an operator and bad luck do to the demonstration's runs: looks at them go in, decisions and kills come out."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from cli import console, ending, person
from cli.failure import FailedError
from cli.fleet import Fleet
from cli.thanks import Thanks
from cli.watch import Progress, Snapshot, snapshots
from models import bonus, recruit, review
from models.agent import Agent
from models.operation import Operation, State
from models.session import transaction
from models.status import AgentStatus, UnitStatus
from models.task_run import TaskRun
from tasks import dispatch

KILL_AT = (0.15, 0.5)
"""Shares of the units whose approval is asked for when a worker is killed; the rest waits until those are through."""
THANK_AT = 0.5
"""The share of the units whose work is approved when bonuses are planned; the worker is killed when they are out."""
EXPIRE_AT = 0.1
"""The share of the shorter run that is seen taken when it is expired; more is, when the vendor has stopped it."""
REJECTED = 0.08
"""The share of the longer run whose work is rejected for show: not where real people did it."""
CATEGORY = "LOW_EFFORT"
MESSAGE = "The description is a single word, although two to four whole sentences of plain English were asked for."
PATIENCE = 240
"""Seconds without any progress after which the demonstration gives up."""
LOOK = 0.25
"""Seconds between two looks."""


@dataclass(slots=True)
class Play:
    """The runs, `whole` and one that is expired half-way, and what was done to them so far."""

    whole: UUID
    half: UUID
    units: int
    """How many units the longer run was planned with; those that come on top of them move no goal."""
    fleet: Fleet
    to_reject: int
    """How much work is still to be rejected, before any is approved."""
    thanks: Thanks | None
    """The bonuses; None where nobody gets one."""
    settle: float
    """Seconds after which a payment that the vendor does not show was not made."""
    halts: int = 0
    """How many of the kills at shares of the approvals are over."""
    killed: int = 0
    expired: bool = False
    decided: list[person.Decided] = field(default_factory=list)
    tell: Callable[[str], None] = console.say

    @property
    def runs(self) -> list[UUID]:
        """Both."""
        return [self.whole, self.half]

    @property
    def is_played(self) -> bool:
        """Whether all was done that is done to the runs."""
        return self.halts == len(KILL_AT) and (self.thanks is None or self.thanks.again is not None)


def follow(play: Play, progress: Progress | None) -> None:
    """Go on until both runs are over, or nothing moves any more."""
    play.tell = progress.say if progress else lambda _: None
    moved, last = time.monotonic(), None
    while True:
        ending.heed()
        with transaction() as session:
            seen = snapshots(session, play.runs)
        if progress:
            progress.show(*seen)
        if play.is_played and all(run.is_completed and not run.open for run in seen):
            return
        now = [run.numbers() for run in seen]
        if now != last:
            moved, last = time.monotonic(), now
        if time.monotonic() - moved > PATIENCE:
            play.tell(f"Nothing has moved for {PATIENCE} s, so the demonstration ends here.")
            return
        _act(play, *seen)
        time.sleep(LOOK)


def _act(play: Play, whole: Snapshot, half: Snapshot) -> None:
    _revive(play)
    _expire(play, half)
    _reject(play)
    if _approve(play, whole):
        _kill(play)
        play.halts += 1
    _thank(play, whole)
    _accept(play.half)
    decided = list(person.decide(play.whole, play.settle))
    play.decided += decided
    for line in person.summed(decided):
        play.tell(line)


def _revive(play: Play) -> None:
    """Start again what is not running."""
    for name in play.fleet.died():
        play.tell(f"The process {name} ended by itself and is started again; see {play.fleet.log(name)}.")
        play.fleet.start(name)


def _undecided(session: Session, run_id: UUID, most: int | None = None) -> Sequence[Agent]:
    """Up to `most` agents whose work waits for somebody to decide on it; nobody else decides until that is done."""
    waiting = select(Agent).where(Agent.task_run_id == run_id, Agent.status == AgentStatus.COMPLETED)
    unasked = waiting.where(~exists().where(Operation.agent_id == Agent.id)).order_by(Agent.id)
    return session.scalars(unasked.limit(most).with_for_update(of=Agent, key_share=True)).all()


def _reject(play: Play) -> None:
    """Refuse one batch, as `crowdops review reject` does; it waits until nobody is recruited any more."""
    wanted = play.to_reject
    with transaction() as session:
        agents = _undecided(session, play.whole, wanted)
        if not wanted or len(agents) < wanted:
            return
        review.reject(session.get_one(TaskRun, play.whole), agents, CATEGORY, MESSAGE)
    play.to_reject = 0
    play.tell(f"Rejected the work of {console.counted(wanted, 'agent')} as {CATEGORY}; that waits for the run's end.")


def _approve(play: Play, seen: Snapshot) -> bool:
    """Approve what came in, as `crowdops review approve` does, up to the next kill; True when that is due."""
    before, upto = (ceil(play.units * share) for share in (0, *KILL_AT, 1)[play.halts : play.halts + 2])
    if play.to_reject or seen.approved < before:
        return False
    asked = seen.approved + seen.approving
    accepted = _accept(play.whole, max(0, upto - asked))
    return play.halts < len(KILL_AT) and asked + accepted >= upto


def _accept(run_id: UUID, most: int | None = None) -> int:
    """Approve up to so many; how many they were."""
    with transaction() as session:
        agents = _undecided(session, run_id, most)
        review.approve(session.get_one(TaskRun, run_id), agents)
    if agents:
        dispatch.wake()
    return len(agents)


def _thank(play: Play, seen: Snapshot) -> None:
    """Pay bonuses once half of the work is approved; and the same again, as who lost a worker meanwhile may do.

    One is paid by hand before all the others, because the first is lost on its way.
    """
    thanks = play.thanks
    if thanks is None or thanks.again is not None or seen.approved < ceil(play.units * THANK_AT):
        return
    states = seen.operations.get(bonus.KIND, {})
    out = sum(states.values()) - states.get(State.PLANNED, 0)
    if thanks.planned:
        if out >= min(2, thanks.planned):
            _kill(play)
            play.tell(thanks.pay_again())
    # One that is being sent may still be put off, and then be paid with all the others.
    elif out > states.get(State.SENDING, 0) or not states:
        try:
            play.tell(thanks.pay() if states else thanks.pay_one(play.whole))
        except FailedError as error:
            play.tell(str(error))


def _kill(play: Play) -> None:
    """End the worker in the middle of something, and start another."""
    with transaction() as session:
        left = sum(run.open for run in snapshots(session, play.runs))
    pid = play.fleet.kill("worker")
    play.killed += 1
    play.tell(f"Killed the worker (pid {pid}, SIGKILL) with {left} operations open; starting another.")
    play.fleet.start("worker")


def _expire(play: Play, seen: Snapshot) -> None:
    """End the second run long before all of it is taken, while people are at work, as `crowdops run expire` does."""
    left = seen.units.get(UnitStatus.CREATED, 0) + seen.units.get(UnitStatus.LAUNCHED, 0)
    if play.expired or not seen.at_work or left > seen.total * (1 - EXPIRE_AT):
        return
    with transaction() as session:
        recruit.expire(session.get_one(TaskRun, play.half))
    dispatch.wake()
    play.expired = True
    play.tell(f"Expired {seen.name}: {seen.at_work} people are at work, and nobody has {left} of {seen.total} units.")
