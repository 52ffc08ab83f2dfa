"""Bonuses as a person asks for them: options or a file go in; planned operations come out, with what they cost.

A file is read a portion at a time, twice: first to learn what it comes to, so that the vendor can be asked what that
costs, and then to plan it. Its rows are compared with each other and with what is there in the database.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from cli import decisions, failure, lookup, money, named
from cli.decisions import OUTCOME, Row
from cli.document import refusal
from cli.failure import FailedError, InputError
from cli.work import Asked
from models import bonus, bulk, failpoints, wanted
from models.agent import Agent
from models.operation import State
from models.requester import Requester
from models.session import transaction
from models.task_run import TaskRun
from models.wanted import Wanted
from providers import account_of, provider_for
from providers.contract import Account
from providers.errors import ProviderError, RejectedError
from tasks import dispatch

__all__ = ["Asked", "Costs", "Planned", "cost", "pay"]

PORTION = 2000
"""Rows of a file that are held at once."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What is new and what was there; `amount_minor` is what the new ones come to, in minor units of `currency`."""

    account: Account
    sandbox: bool
    currency: str
    amount_minor: int
    fresh: Sequence[UUID]
    there: Mapping[UUID, State]


@dataclass(frozen=True, slots=True)
class Costs:
    """What the vendor takes on top, as it says now, in minor units."""

    fee_minor: int


def pay(asked: Asked, *, dry_run: bool = False) -> tuple[Planned, Costs]:
    """Plan what is asked for and is not there yet, unless this is a rehearsal; the vendor is asked first what it costs.

    Raises:
        InputError: something cannot be paid as it is asked for; nothing is planned, and so for the others.
        UnknownNameError: there is no such run or agent.
        BudgetError: a limit does not allow it.
        FailedError: the vendor does not answer.
    """
    with transaction() as session:
        planned = _look(session, asked)
        session.rollback()
    costs = cost(planned)
    if not dry_run:
        quoted = planned.amount_minor
        with transaction() as session:
            planned = _look(session, asked)
            if planned.amount_minor > quoted:
                raise InputError(f"{asked.file} was changed while it was read. {OUTCOME} Try again.")
            bonus.write(session, len(planned.fresh))
        failpoints.hit("after_plan")
        dispatch.wake()
    return planned, costs


def _look(session: Session, asked: Asked) -> Planned:
    """What would be planned; what is asked for stays in the transaction, under its locks, to be written or not."""
    asked.check()
    if not (asked.agents or asked.file):
        raise InputError(f"Say who gets it: a CSV file, or --agent ID. {OUTCOME}")
    wanted.begin(session)
    first = _take_all(session, asked)
    wanted.hold(session)
    if problems := [_at(asked.file, line, told) for line, told in sorted(_unfit(session))]:
        raise refusal(problems, OUTCOME)
    bonus.assert_within(session)
    return Planned(
        account=account_of(session.get_one(Requester, first.requester_id)),
        sandbox=first.sandbox,
        currency=first.currency,
        amount_minor=wanted.amount(session),
        fresh=wanted.fresh(session),
        there=wanted.there(session),
    )


class _Work(NamedTuple):
    """One agent, with what its account and its run say about money."""

    id: UUID
    submission: str
    requester_id: UUID
    currency: str
    sandbox: bool


@dataclass(slots=True)
class _Intake:
    """What was read so far: whose work the first row is about, and what is wrong."""

    file: Path | None
    first: _Work | None = None
    problems: list[str] = field(default_factory=list)

    def note(self, line: int, told: str) -> None:
        self.problems.append(_at(self.file, line, told))


def _take_all(session: Session, asked: Asked) -> _Work:
    """Put every row where it can be compared; returns the first one's account and run.

    Raises:
        InputError: with what is wrong with which line.
    """
    intake = _Intake(asked.file)
    for rows in _portions(session, asked, intake):
        wanted.add(session, list(_fit(session, rows, intake)))
    if intake.problems or intake.first is None:
        raise refusal(intake.problems, OUTCOME)
    return intake.first


def _portions(session: Session, asked: Asked, intake: _Intake) -> Iterator[list[tuple[Row, UUID]]]:
    run = lookup.run(session, asked.run) if asked.run else None
    if asked.file is None:
        words = tuple(value or "" for value in asked.words.values())
        agents = dict.fromkeys(lookup.agent(session, typed, run).id for typed in asked.agents)
        yield [(Row(0, "", "", words), key) for key in agents]
        return
    stream = decisions.stream(asked.file, asked.words)
    while portion := list(islice(stream, PORTION)):
        intake.problems += [one for one in portion if isinstance(one, str)]
        rows = []
        for row, found in named.matched(session, run, [one for one in portion if isinstance(one, Row)]):
            if isinstance(found, str):
                intake.note(row.line, found)
            else:
                rows.append((row, found))
        yield rows


def _fit(session: Session, rows: Sequence[tuple[Row, UUID]], intake: _Intake) -> Iterator[Wanted]:
    """Those of the rows that can be paid by themselves."""
    columns = (Agent.id, Agent.submission, Agent.requester_id, TaskRun.currency, TaskRun.sandbox)
    named_ones = bulk.among(Agent.id, [key for _, key in rows])
    found = session.execute(select(*columns).join(TaskRun, TaskRun.id == Agent.task_run_id).where(named_ones))
    agents = {row.id: _Work(*row) for row in found}
    for row, key in rows:
        agent = agents[key]
        if intake.first is None:
            intake.first = agent
        made = _wanted(row, agent, intake.first)
        if isinstance(made, str):
            intake.note(row.line, made)
        else:
            yield made


def _wanted(row: Row, agent: _Work, first: _Work) -> Wanted | str:
    typed, reason, key = row.words
    if agent.requester_id != first.requester_id:
        return f"agent {agent.id} belongs to another account than the first one"
    if (agent.currency, agent.sandbox) != (first.currency, first.sandbox):
        return f"agent {agent.id} belongs to a run in {agent.currency}, the first one to one in {first.currency}"
    try:
        amount = money.minor(money.amount(typed, agent.currency), agent.currency)
    except ValueError as error:
        return f"amount {typed[:20]!r} {error}"
    if problem := bonus.problem(amount, reason, key):
        return problem
    same = bonus.identity(agent.requester_id, agent.submission, key, amount, agent.currency)
    return Wanted(row.line, same, agent.id, amount, reason.strip(), key)


def _unfit(session: Session) -> Iterator[tuple[int, str]]:
    """Lines that cannot be paid beside what else is there, and why."""
    for row in wanted.twice(session):
        yield row.line, f"names the same work as line {row.first}"
    for row in wanted.early(session):
        yield row.line, f"agent {row.id} is still at work ({row.status})"
    for row in wanted.otherwise(session):
        theirs, ours = (
            f"{money.shown(amount, currency)} for {reason!r}"
            for amount, currency, reason in (
                (row.amount_minor, row.currency, row.reason),
                (row.now_minor, row.now_currency, row.now_reason),
            )
        )
        told = f"the key {row.key!r} was used for this work before: {theirs} (operation {row.id}, {row.state}), "
        yield row.line, f"{told}and now {ours}; a second bonus needs another key"


def _at(file: Path | None, line: int, problem: str) -> str:
    return f"{file} line {line}: {problem}" if file else f"{problem[:1].upper()}{problem[1:]}."


def _assert_currency(ours: str, theirs: str) -> None:
    """An amount would be another sum in another currency.

    Raises:
        InputError: with both.
    """
    if ours != theirs:
        raise InputError(
            f"These bonuses are in {ours}, as their run is, but the account pays in {theirs}. {OUTCOME} Pay them in "
            "the vendor's own pages."
        )


def cost(planned: Planned) -> Costs:
    """Ask the vendor what comes on top, and whether the account can pay it.

    Raises:
        InputError: the account has less, or the vendor refuses to say.
        FailedError: the vendor does not answer.
    """
    if not planned.fresh:
        return Costs(0)
    provider = provider_for(planned.account, [planned.sandbox])
    try:
        balance = provider.balance()
        _assert_currency(planned.currency, balance.currency)
        quote = provider.quote(planned.amount_minor, planned.currency, 1)
    except RejectedError as error:
        raise InputError(f"{error} {OUTCOME}") from None
    except ProviderError as error:
        why = failure.asked(error)
        raise FailedError(f"The vendor could not be asked what this costs, so nothing was planned: {why}") from None
    if quote.total_minor > balance.total_minor:
        cost_, there = (money.shown(one.total_minor, one.currency) for one in (quote, balance))
        raise InputError(f"This costs {cost_}, fees included, but the account has {there} left. {OUTCOME}")
    return Costs(quote.total_minor - planned.amount_minor)
