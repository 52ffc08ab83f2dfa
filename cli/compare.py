"""Our rows against the vendor's own account: statuses with its list, effects with the simulator's ledger."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from cli.stage import patiently
from models import bonus
from models.agent import Agent
from models.operation import Operation, State
from models.session import transaction
from models.status import AgentStatus
from models.task_run import TaskRun
from providers import account_of, provider_of
from providers.contract import CrowdProvider
from providers.errors import ProviderError

Effects = Counter[tuple[str, str]]
"""How often each effect happened: its kind, and the run or the submission that it was done to, with a bonus's sum."""
DECIDED = {AgentStatus.APPROVED: "approve", AgentStatus.REJECTED: "reject"}
KINDS = {
    "study_created": "draft",
    "study_published": "publish",
    "study_stopped": "stop",
    "submission_approved": "approve",
    "submission_rejected": "reject",
}
"""The ledger's words, and the operations that cause these effects."""
Statuses = Mapping[str, AgentStatus | None]
"""By submission."""


def ours(session: Session, runs: Sequence[TaskRun]) -> dict[str, AgentStatus]:
    """Where every submission stands by our rows; paid is paid, whatever else we think of the work."""
    held = select(Agent.submission, Agent.status).where(Agent.task_run_id.in_([run.id for run in runs]))
    paid = {AgentStatus.SOFT_REJECTED: AgentStatus.APPROVED}
    return {submission: paid.get(status, status) for submission, status in session.execute(held)}


def listed(runs: Sequence[TaskRun]) -> dict[str, AgentStatus | None]:
    """Where it stands in the vendor's list, which is asked for once more where a call is spoilt."""
    with transaction() as session:
        account = account_of(session.get_one(TaskRun, runs[0].id).requester)
    provider = provider_of(account)
    studies = [run.facts for run in runs if provider.is_at_vendor(run.facts)]
    pages = [page for facts in studies for page in patiently(partial(_pages, provider.observe, facts))]
    return {row.submission_id: row.status for page in pages for row in page}


def _pages(observe: Any, facts: Mapping[str, Any]) -> list[Any]:  # noqa: ANN401 - a provider's own method
    return list(observe(facts))


def otherwise(here: Statuses, there: Statuses) -> list[str]:
    """Submissions that stand elsewhere than at the vendor."""
    return [
        f"submission {one} is {here.get(one, 'unknown')} by our rows, {there.get(one, 'unknown')} at the vendor"
        for one in sorted(here.keys() | there.keys())
        if here.get(one) != there.get(one)
    ]


def confirmed(session: Session, runs: Sequence[TaskRun]) -> Effects:
    """The effects that we believe in: one a confirmed operation, and all launches of a run together are one number."""
    names = {run.id: run.name for run in runs}
    wanted = select(Operation).where(Operation.run_id.in_(names), Operation.state == State.CONFIRMED)
    effects: Effects = Counter()
    for row in session.scalars(wanted):
        run = names[row.run_id] if row.run_id else ""
        if row.kind == "launch":
            effects["places", run] = max(effects["places", run], row.body["places"])
        else:
            effects[row.kind, _about(row, run)] += 1
    return _with_first_places(effects)


def _about(row: Operation, run: str) -> str:
    if row.kind == bonus.KIND:
        return _sum(row.target, row.amount_minor or 0)
    return row.target if row.kind in DECIDED.values() else run


def _sum(submission: str, amount_minor: int) -> str:
    return f"of {amount_minor} for {submission}"


def ledger(runs: Sequence[TaskRun], effects: Iterable[Mapping[str, Any]]) -> Effects:
    """The simulator's ledger in the same terms; what was done to no study belongs to no run."""
    names = {run.facts.get("study_id"): run.name for run in runs}
    found: Effects = Counter()
    for effect in effects:
        study = effect["study"]
        run = names.get(study, f"of study {study}, which no run knows")
        if study is None:
            continue
        if effect["kind"] == "places_set":
            found["places", run] = effect["places"]
        elif effect["kind"] == "bonus_paid":
            found[bonus.KIND, _sum(effect["submission"], effect["amount_minor"])] += 1
        else:
            found[KINDS.get(effect["kind"], effect["kind"]), effect["submission"] or run] += 1
    return _with_first_places(found)


def _with_first_places(effects: Effects) -> Effects:
    """A study is drafted with one place."""
    return effects | Counter({("places", run): 1 for kind, run in effects if kind == "draft"})


def listing(there: Statuses, paid: Effects, mine: Effects) -> Effects:
    """What a vendor without a ledger shows of our decisions and bonuses; the rest is taken on our word."""
    shows = (*DECIDED.values(), bonus.KIND)
    effects = Counter({key: times for key, times in mine.items() if key[0] not in shows})
    shown = {(DECIDED[status], one) for one, status in there.items() if status in DECIDED}
    effects.update(key for key in shown if key in mine)
    return effects + paid


def paid(runs: Sequence[TaskRun]) -> Effects:
    """The bonuses that a vendor shows of every submission for which we planned one."""
    wanted = select(Operation.target).where(Operation.run_id.in_([run.id for run in runs]))
    with transaction() as session:
        submissions = session.scalars(wanted.where(Operation.kind == bonus.KIND).distinct()).all()
        account = account_of(session.get_one(TaskRun, runs[0].id).requester)
    seen: dict[str, Sequence[int]] = {}
    if submissions:
        patiently(partial(_read, provider_of(account), submissions, seen))
    return Counter((bonus.KIND, _sum(one, amount)) for one, amounts in seen.items() for amount in amounts)


def _read(provider: CrowdProvider, submissions: Sequence[str], seen: dict[str, Sequence[int]]) -> None:
    """Read what was not read yet, as far as calls are not spoilt."""
    left = [one for one in submissions if one not in seen]
    shown = dict(zip(left, provider.payments(left), strict=True))
    seen |= {one: amounts for one, amounts in shown.items() if not isinstance(amounts, ProviderError)}
    for amounts in shown.values():
        if isinstance(amounts, ProviderError):
            raise amounts


def by_hand(there: Statuses, caused: Effects) -> set[str]:
    """Submissions that the vendor shows as decided on although no call did it."""
    return {one for one, status in there.items() if status in DECIDED and not caused[DECIDED[status], one]}


def differences(mine: Effects, theirs: Effects) -> list[str]:
    """Effects that happened more often or less often than we believe, or where we do not know of them."""
    return [
        f"{kind} {target}: {mine[kind, target]} by our rows, {theirs[kind, target]} at the vendor"
        for kind, target in sorted(mine.keys() | theirs.keys())
        if mine[kind, target] != theirs[kind, target]
    ]


def settled(mine: Effects, theirs: Effects, hand: Collection[str]) -> Effects:
    """Ours without what somebody had done in the vendor's pages before, and without stops of what was over already."""
    return Counter(
        {
            (kind, target): times
            for (kind, target), times in mine.items()
            if not (kind in DECIDED.values() and target in hand) and not (kind == "stop" and not theirs[kind, target])
        }
    )


def counted(effects: Effects) -> dict[str, int]:
    """How often each kind happened."""
    total: Counter[str] = Counter()
    for (kind, _), times in effects.items():
        total[kind] += times
    return dict(total)
