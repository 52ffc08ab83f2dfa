"""Bonuses as a person asks for them: options or a file go in; planned operations come out, with what they cost."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from cli import decisions, failure, lookup, money, named
from cli.decisions import OUTCOME, Row
from cli.document import refusal
from cli.failure import FailedError, InputError
from cli.work import Asked, held
from models import bonus, failpoints
from models.agent import Agent
from models.bonus import Bonus
from models.operation import Operation, State
from models.session import transaction
from providers import account_of, provider_for
from providers.contract import Account
from providers.errors import ProviderError, RejectedError
from tasks import dispatch

__all__ = ["Asked", "Costs", "Planned", "choose", "cost", "pay", "plan"]


@dataclass(frozen=True, slots=True)
class Piece:
    """One bonus that is wanted, and the line of the file that says so."""

    line: int
    bonus: Bonus


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
        planned = plan(session, choose(session, asked), asked.file)
        session.rollback()
    costs = cost(planned)
    if not dry_run:
        with transaction() as session:
            planned = plan(session, choose(session, asked), asked.file)
        failpoints.hit("after_plan")
        dispatch.wake()
    return planned, costs


def choose(session: Session, asked: Asked) -> list[Piece]:
    """The bonuses that options or a file name; all of one account and one currency.

    Raises:
        InputError: with what is wrong, and where.
        UnknownNameError: there is no such run or agent.
    """
    asked.check()
    if not (asked.agents or asked.file):
        raise InputError(f"Say who gets it: a CSV file, or --agent ID. {OUTCOME}")
    run = lookup.run(session, asked.run) if asked.run else None
    if asked.file:
        rows = named.find(session, run, asked.file, decisions.read(asked.file, asked.words, apart="key"))
    else:
        words = tuple(value or "" for value in asked.words.values())
        rows = [(lookup.agent(session, typed, run).id, Row(0, typed, "", words)) for typed in asked.agents]
    agents = held(session, [key for key, _ in rows])
    return _pieces([(agents[key], row) for key, row in rows], asked.file)


def _pieces(rows: Sequence[tuple[Agent, Row]], file: Path | None) -> list[Piece]:
    pieces, problems = [], []
    for agent, row in rows:
        found = _piece(agent, row, rows[0][0])
        if isinstance(found, Piece):
            pieces.append(found)
        else:
            problems.append(_at(file, row.line, found))
    if problems:
        raise refusal(problems, OUTCOME)
    return pieces


def _piece(agent: Agent, row: Row, first: Agent) -> Piece | str:
    typed, reason, key = row.words
    run = agent.task_run
    if agent.requester_id != first.requester_id:
        return f"agent {agent.id} belongs to another account than the first one"
    if run.currency != first.task_run.currency or run.sandbox is not first.task_run.sandbox:
        return f"agent {agent.id} belongs to a run in {run.currency}, the first one to one in {first.task_run.currency}"
    try:
        made = Bonus(agent, money.minor(money.amount(typed, run.currency), run.currency), reason, key)
    except ValueError as error:
        return f"amount {typed[:20]!r} {error}"
    problem = made.problem()
    return problem or Piece(row.line, made)


def _at(file: Path | None, line: int, problem: str) -> str:
    return f"{file} line {line}: {problem}" if file else f"{problem[:1].upper()}{problem[1:]}."


def plan(session: Session, pieces: Sequence[Piece], file: Path | None) -> Planned:
    """Plan what is not there yet.

    Raises:
        InputError: a key was used before for another sum or reason; both are shown.
    """
    before = {(row.target, row.key): row for row in _before(session, pieces)}
    if problems := list(_conflicts(pieces, before, file)):
        raise refusal(problems, OUTCOME)
    rows = bonus.pay(session, [piece.bonus for piece in pieces])
    fresh = [row for row in rows if (row.target, row.key) not in before]
    first = pieces[0].bonus.agent
    return Planned(
        account=account_of(first.requester),
        sandbox=first.task_run.sandbox,
        currency=first.task_run.currency,
        amount_minor=sum(row.amount_minor or 0 for row in fresh),
        fresh=[row.id for row in fresh],
        there={row.id: row.state for row in rows if (row.target, row.key) in before},
    )


def _before(session: Session, pieces: Sequence[Piece]) -> Iterator[Operation]:
    for portion in named.portions(list({piece.bonus.agent.id for piece in pieces})):
        mine = (Operation.agent_id.in_(portion), Operation.kind == bonus.KIND)
        yield from session.scalars(select(Operation).where(*mine))


def _conflicts(pieces: Sequence[Piece], before: dict[tuple[str, str], Operation], file: Path | None) -> Iterator[str]:
    for piece in pieces:
        wanted = piece.bonus
        row = before.get((wanted.agent.submission, wanted.key))
        if row is None or (row.amount_minor, row.body["reason"]) == (wanted.amount_minor, wanted.reason.strip()):
            continue
        theirs, ours = (
            f"{money.shown(amount or 0, row.currency or '')} for {reason!r}"
            for amount, reason in ((row.amount_minor, row.body["reason"]), (wanted.amount_minor, wanted.reason))
        )
        told = f"the key {wanted.key!r} was used for this work before: {theirs} (operation {row.id}, {row.state}), "
        yield _at(file, piece.line, f"{told}and now {ours}; a second bonus needs another key")


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
        quote, balance = provider.quote(planned.amount_minor, planned.currency, 1), provider.balance()
    except RejectedError as error:
        raise InputError(f"{error} {OUTCOME}") from None
    except ProviderError as error:
        why = failure.asked(error)
        raise FailedError(f"The vendor could not be asked what this costs, so nothing was planned: {why}") from None
    if quote.total_minor > balance.total_minor:
        cost_, there = (money.shown(one.total_minor, one.currency) for one in (quote, balance))
        raise InputError(f"This costs {cost_}, fees included, but the account has {there} left. {OUTCOME}")
    return Costs(quote.total_minor - planned.amount_minor)
