"""The money of the demonstrated runs: our ledger and the simulator's go in; sums of both come out, and what differs."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cli import export
from cli.fate import Rows
from cli.money import shown
from cli.stage import Stage
from models import audit, ledger
from models.ledger import Sums
from models.posting import Entry, Posting, Purpose
from models.session import transaction
from models.status import AgentStatus
from models.task_run import TaskRun

EFFECTS = {Purpose.PAY: "submission_approved", Purpose.BONUS: "bonus_paid"}
"""What the simulator's ledger calls a payment."""


@dataclass(frozen=True, slots=True)
class Line:
    """Pay or bonuses of all the runs, in minor units."""

    purpose: Purpose
    settled_minor: int
    """What workers got by our ledger."""
    fee_minor: int
    """What the vendor took on top of it, by our ledger."""
    released_minor: int
    """What was reserved and is not needed any more, fees included."""
    open_minor: int
    """What may still be paid, fees included."""
    theirs_minor: int | None
    """What workers got by the simulator's ledger; None at a vendor that has none."""


@dataclass(frozen=True, slots=True)
class Wallet:
    """What left the vendor's wallet, and what we say was paid, fees included; in minor units."""

    ours_minor: int
    theirs_minor: int
    rounding_minor: int
    """How far apart they may be: each fee that is no whole number is rounded."""


@dataclass(frozen=True, slots=True)
class Tally:
    """The money of the runs."""

    currency: str
    lines: Sequence[Line]
    wallet: Wallet | None
    """None where nobody can tell."""
    violations: Sequence[str]
    """What `crowdops ledger check` finds."""

    def problems(self) -> Iterator[str]:
        """Whatever does not agree, or is not over."""
        yield from self.violations
        for line in self.lines:
            if line.open_minor:
                yield f"of {line.purpose}, {shown(line.open_minor, self.currency)} is still open in our ledger"
            if line.theirs_minor not in (None, line.settled_minor):
                ours, theirs = (shown(sum_ or 0, self.currency) for sum_ in (line.settled_minor, line.theirs_minor))
                yield f"{line.purpose}: workers got {ours} by our ledger, {theirs} at the vendor"
        if self.wallet and abs(self.wallet.ours_minor - self.wallet.theirs_minor) > self.wallet.rounding_minor:
            yield self.told_of_wallet()

    def told_of_wallet(self) -> str:
        """Both figures, in words."""
        if self.wallet is None:
            return "What the vendor took in all is not compared."
        ours, theirs, apart = (
            shown(sum_, self.currency)
            for sum_ in (self.wallet.ours_minor, self.wallet.theirs_minor, self.wallet.rounding_minor)
        )
        return (
            f"The vendor's wallet went down by {theirs}; our ledger settled {ours}, fees included. "
            f"Fees are rounded, so they may be {apart} apart."
        )


def tally(held: Sequence[Rows], stage: Stage, effects: Sequence[Mapping[str, Any]], hand: Collection[str]) -> Tally:
    """Sum up; `effects` is the simulator's ledger, and `hand` what was decided on in its pages, by no call."""
    runs = [one.run for one in held]
    theirs = _paid_there(held, stage, effects, hand) if stage.simulated else {}
    gone = stage.deposit - stage.wallet() if stage.deposit is not None else None
    with transaction() as session:
        export.snapshot(session)
        sums = ledger.summary(session, Posting.run_id.in_([run.id for run in runs]))
        return Tally(
            currency=runs[0].currency,
            lines=[_line(purpose, sums, theirs.get(purpose)) for purpose in Purpose],
            wallet=_wallet(session, gone, runs, sums),
            violations=list(_violations(session, runs[0].requester_id)),
        )


def _line(purpose: Purpose, sums: Iterable[Sums], theirs: int | None) -> Line:
    mine = [one for one in sums if one.purpose is purpose]
    return Line(
        purpose=purpose,
        settled_minor=sum(one.amounts[Entry.SETTLE] for one in mine),
        fee_minor=sum(one.fees[Entry.SETTLE] for one in mine),
        released_minor=sum(one.amounts[Entry.RELEASE] + one.fees[Entry.RELEASE] for one in mine),
        open_minor=sum(one.open_minor + one.open_fee_minor for one in mine),
        theirs_minor=theirs,
    )


def _paid_there(
    held: Sequence[Rows], stage: Stage, effects: Sequence[Mapping[str, Any]], hand: Collection[str]
) -> dict[Purpose, int]:
    """What calls paid is in the simulator's ledger; what was approved by hand costs its study's reward."""
    studies = {one.run.facts.get("study_id") for one in held}
    mine = [effect for effect in effects if effect["study"] in studies]
    paid = {
        purpose: sum(effect["amount_minor"] for effect in mine if effect["kind"] == kind)
        for purpose, kind in EFFECTS.items()
    }
    rewards = stage.rewards()
    for one in held:
        agents = (agent for agent in one.agents.values() if agent.status is AgentStatus.APPROVED)
        number = sum(agent.submission in hand for agent in agents)
        paid[Purpose.PAY] += number * rewards.get(one.run.facts.get("study_id", ""), 0)
    return paid


def _wallet(session: Session, gone: int | None, runs: Sequence[TaskRun], sums: Iterable[Sums]) -> Wallet | None:
    """Of a run that was made without a quote nobody knows the fees, so nothing is compared then."""
    if gone is None or any(run.quoted_minor is None for run in runs):
        return None
    ours = sum(one.amounts[Entry.SETTLE] + one.fees[Entry.SETTLE] for one in sums)
    return Wallet(ours, gone, 1 + _rounded(session, runs))


def _rounded(session: Session, runs: Sequence[TaskRun]) -> int:
    """How many fees may be rounded: those of bonuses, and of pay where the quote does not go into the places."""
    even = [run.id for run in runs if run.quoted_places and not (run.quoted_minor or 0) % run.quoted_places]
    settled = select(func.count()).where(Posting.run_id.in_([run.id for run in runs]), Posting.kind == Entry.SETTLE)
    uneven = (Posting.purpose == Purpose.BONUS) | Posting.run_id.notin_(even)
    return session.scalars(settled.where(uneven)).one()


def _violations(session: Session, account: UUID) -> Iterator[str]:
    for one in audit.check(session, account):
        if one.name not in audit.EXPLAINED:
            yield f"ledger check, {one.where}: {one.name} ({one.what})"
