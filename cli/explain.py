"""An operation goes in; its story comes out in plain words: what was meant, sent and read, and what is next."""

from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote

from sqlalchemy import select
from sqlalchemy.orm import Session

from cli import money, pause
from cli.console import cell, counted
from models import bonus
from models.attempt import Attempt, AttemptOutcome
from models.clock import now
from models.operation import IN_DOUBT, Operation, State
from models.recruit import OFFERS
from models.settings import settings
from models.task_run import TaskRun
from providers import installed
from providers.contract import Repeat

OUTCOMES = {
    None: "it is under way",
    AttemptOutcome.DONE: "the vendor answered that it is done",
    AttemptOutcome.ACCEPTED: "the vendor took it, to be carried out later",
    AttemptOutcome.NOT_SENT: "nothing reached the vendor",
    AttemptOutcome.THROTTLED: "the vendor wanted fewer requests",
    AttemptOutcome.ACCOUNT: "the vendor refused the account",
    AttemptOutcome.REJECTED: "the vendor refused it",
    AttemptOutcome.UNKNOWN: "no readable answer came, so it may have happened",
    AttemptOutcome.MIXED: "its operations ended differently",
    AttemptOutcome.LOST: "its worker died or stalled, so it may have happened",
}
"""What came of a request, in words."""
_STANDS = {
    State.PLANNED: "It is planned: nothing is on its way to the vendor.",
    State.SENDING: "A worker is sending it.",
    State.SUBMITTED: "The vendor has taken it, and has not shown the effect yet.",
    State.UNKNOWN: "It may have happened or not; nothing is decided before the vendor shows it.",
    State.REVIEW: "It waits for a person: what can be read at the vendor does not settle it.",
    State.CONFIRMED: "It happened: the vendor shows it.",
    State.REJECTED: "It was refused, and is over.",
    State.CANCELLED: "It was withdrawn before anything was sent, and is over.",
}

NEEDED = {"draft": "study_id", "group": "group_id"}
"""By kind, what the answer to an operation tells and what follows it needs."""


@dataclass(frozen=True, slots=True)
class Story:
    """An operation in words, one sentence or two in each entry."""

    meant: str
    sent: Sequence[str]
    read: Sequence[str]
    stands: Sequence[str]
    next: Sequence[str]


def attempts_of(session: Session, operation: Operation) -> Sequence[Attempt]:
    """Every request that carried the operation, in order."""
    mine = select(Attempt).where(Attempt.operation_ids.contains([operation.id]))
    return session.scalars(mine.order_by(Attempt.created_at, Attempt.id)).all()


def explain(session: Session, operation: Operation) -> Story:
    """Tell the story of an operation."""
    reasons = [f"Why: {operation.reason}"] if operation.reason else []
    notes = [f"Noted: {line}" for line in (operation.note or "").splitlines()]
    return Story(
        meant=_meant(session, operation),
        sent=[_sent(attempt) for attempt in attempts_of(session, operation)],
        read=_read(operation),
        stands=[_STANDS[operation.state], *reasons, *notes],
        next=_next(session, operation),
    )


def _meant(session: Session, operation: Operation) -> str:
    run = session.get(TaskRun, operation.run_id) if operation.run_id else None
    of = f" of run {run.name!r}" if run else ""
    what = _wanted(operation, run, of)
    if operation.amount_minor is not None and operation.currency is not None:
        what += f" Amount: {money.shown(operation.amount_minor, operation.currency)}."
    return f"{what} Planned at {cell(operation.created_at)} for the account {operation.requester.name}."


def _wanted(operation: Operation, run: TaskRun | None, of: str) -> str:
    body, pay = operation.body, f", so that the vendor pays {money.shown(run.pay_minor, run.currency)}" if run else ""
    work = f"the work of agent {operation.agent_id}{of}"
    soft = " It is marked here as not good enough." if body.get("soft") else ""
    told = {
        "draft": f"Make the study{of} at the vendor, as a draft that nobody sees.",
        "publish": f"Publish the study{of}, so that people can take its places.",
        "launch": f"Offer unit {operation.unit_id}{of}: the study should have {body.get('places')} places.",
        "approve": f"Approve {work}{pay}.{soft}",
        "reject": f"Reject {work}, so that it is not paid: {body.get('category')}. "
        f'The worker reads: "{cell(body.get("message"))}".',
        "stop": f"Stop the study{of} for good: nobody else may begin, and whoever is at work may finish and is paid.",
        "pause": f"Pause the study{of}: nobody else may begin for now, and whoever is at work goes on.",
        "resume": f"Let people begin on the study{of} again after a pause.",
        "group": f"Make the group {cell(body.get('name'))!r} at the vendor.",
        "ungroup": f"Delete the group {cell(body.get('name'))!r} at the vendor, as no run needs it any more.",
        "block": f"Let worker {operation.worker_id} take no place any more: {cell(body.get('reason'))}",
        "message": f'Let worker {operation.worker_id} read about the study{of}: "{cell(body.get("text"))}".',
        "bonus": f"Pay a bonus on top for {work}: {cell(body.get('reason'))}",
        "grant": f"Put worker {operation.worker_id} in a group of those who meet what runs ask for.",
        "revoke": f"Take worker {operation.worker_id} out of a group of those who meet what runs ask for.",
        "unblock": f"Let worker {operation.worker_id} take places again: {cell(body.get('reason'))}",
    }
    return told.get(operation.kind, f"A {operation.kind}{of}.")


def _sent(attempt: Attempt) -> str:
    others = len(attempt.operation_ids) - 1
    carried = f" that carried {counted(others, 'other operation')} too" if others else ""
    until = f", until {cell(attempt.closed_at)}" if attempt.closed_at else ""
    said = f" ({attempt.detail})" if attempt.detail else ""
    return f"{cell(attempt.created_at)}{until}: a request{carried}; {OUTCOMES[attempt.outcome]}{said}."


def _read(operation: Operation) -> list[str]:
    told = []
    if operation.baseline is not None:
        told.append(f"Before the last request the vendor showed: {cell(operation.baseline)}.")
    if operation.result:
        told.append(f"The vendor's answer told: {cell(operation.result)}.")
    if operation.reads:
        asked = "asked once" if operation.reads == 1 else f"asked {operation.reads} times"
        told.append(f"The vendor was {asked} since the last request whether the effect is there.")
    if told:
        return told
    return ["Nothing was read back since the last request." if operation.last_sent_at else "Nothing was read."]


def _next(session: Session, operation: Operation) -> list[str]:
    match operation.state:
        case State.PLANNED:
            return [_waits_for(session, operation)]
        case State.SENDING:
            return [f"If its worker dies, it is read back after {cell(operation.lease_until)}."]
        case State.SUBMITTED | State.UNKNOWN:
            hours = settings().timing.age_limit / 3600
            asked = f"The vendor is asked again at {cell(operation.next_at)}, and then less and less often."
            paused = pause.of(session, operation.requester)
            return [
                *([paused.told] if paused else []),
                asked,
                f"After {hours:g} hours without an answer, a person decides.",
            ]
        case State.REVIEW:
            return _choices(operation)
        case State.REJECTED | State.CANCELLED:
            return [_again(session, operation)]
        case State.CONFIRMED:
            return ["Nothing: it is final."]


def _again(session: Session, operation: Operation) -> str:
    same = (Operation.requester_id, Operation.kind, Operation.target)
    tries = select(Operation).where(*(column == getattr(operation, column.key) for column in same))
    later = tries.where(Operation.key.startswith(operation.key.partition("~")[0] + "~", autoescape=True))
    last = session.scalars(later.order_by(Operation.created_at.desc()).limit(1)).first()
    if last is not None and last.id != operation.id:
        return f"It was tried again as operation {last.id}, which is {last.state}."
    return f"Nothing. If it is still wanted: `crowdops ops retry {operation.id}` plans it anew."


def _waits_for(session: Session, operation: Operation) -> str:
    """The first thing that keeps a planned operation from being sent."""
    if operation.hold:
        return _held(session, operation)
    if paused := pause.of(session, operation.requester):
        return paused.told
    if before := _before(session, operation):
        where = f"which is {before.state}: `crowdops ops explain {before.id}`"
        return f"It waits for the {before.kind} before it, {where}."
    if operation.attempts >= settings().timing.max_attempts:
        return "Its attempts are used up: a person has to decide."
    if operation.next_at > session.scalars(select(now())).one():
        return f"It is sent at {cell(operation.next_at)}; `crowdops ops retry {operation.id}` sends it now."
    return "A worker sends it as soon as one is free. If nothing happens, see `crowdops doctor`."


def _held(session: Session, operation: Operation) -> str:
    run = session.get(TaskRun, operation.run_id) if operation.run_id else None
    if run is None:
        return f"It waits: {operation.hold}."
    ending = (
        "The run is expired, so that is when its study is stopped."
        if run.is_expired
        else f"That ends when all places are taken, or with `crowdops run expire {quote(run.name)}`."
    )
    return f"It waits: {operation.hold}. {ending} `crowdops ops cancel {operation.id}` withdraws it."


def _before(session: Session, operation: Operation) -> Operation | None:
    """What has to be over first: what it follows, or for a stop whatever may still open more places."""
    if operation.kind == "stop":
        under_way = Operation.state.in_((State.SENDING, *IN_DOUBT))
        offers = select(Operation).where(Operation.run_id == operation.run_id, Operation.kind.in_(OFFERS), under_way)
        return session.scalars(offers.limit(1)).first()
    before = session.get(Operation, operation.after_id) if operation.after_id else None
    return before if before is not None and before.state is not State.CONFIRMED else None


def _payment(resolve: str) -> list[str]:
    return [
        "Look at the submission in the vendor's pages whether the bonus was paid, then say so, with a note why:",
        f"It was: `{resolve} paid --note ...`. It counts as paid, and its sum as spent.",
        f"It was not, and is still wanted: `{resolve} not-paid --note ...`. It is paid again, perhaps twice: be sure.",
        f"It was not, and is not wanted: `{resolve} rejected --note ...`. It is over, and its sum is free again.",
        "Until then nothing else is paid for this submission.",
    ]


def _choices(operation: Operation) -> list[str]:
    """What a person can decide, and what each decision does."""
    resolve = f"crowdops ops resolve {operation.id}"
    vendor = installed().get(operation.requester.provider_type)
    kind = vendor.KINDS.get(operation.kind) if vendor else None
    harm = (
        "If it happened after all, that does no harm."
        if kind is not None and kind.repeat is Repeat.ABSORBING
        else "If it happened after all, it then happens twice: be sure."
    )
    if operation.kind == bonus.KIND:
        return _payment(resolve)
    fact = f" --result {NEEDED[operation.kind]}=ID" if operation.kind in NEEDED else ""
    return [
        "Look at the vendor whether it happened, then say so, with a note why:",
        f"It is there: `{resolve} confirmed{fact} --note ...`. It counts as done, and what waits for it goes on.",
        f"It is not there and still wanted: `{resolve} retry --note ...`. It is sent again. {harm}",
        f"It is not there and not wanted: `{resolve} rejected --note ...`. It is over, with what waits for it.",
    ]
