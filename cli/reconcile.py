"""`crowdops reconcile`: runs, or one agent, are compared with their vendors at once, in this process."""

from typing import Annotated
from uuid import UUID

import typer

from cli import console, lookup
from cli.console import Json
from cli.failure import FailedError, InputError, asked
from cli.servers import embedded
from models.agent import Agent
from models.requester import Requester
from models.session import transaction
from providers import account_of, provider_of
from providers.errors import ProviderError
from tasks import dispatch, sync
from tasks import reconcile as rounds
from tasks.lease import LeaseError


@embedded()
def reconcile(
    *,
    full: Annotated[bool, typer.Option("--full", help="List every submission, of completed runs too.")] = False,
    requester: Annotated[str | None, typer.Option(metavar="NAME", help="Only this account, even a paused one.")] = None,
    agent: Annotated[str | None, typer.Option(metavar="ID", help="Only this agent, with one read.")] = None,
    unit: Annotated[str | None, typer.Option(metavar="ID", help="Only the agent that has this unit.")] = None,
    as_json: Json = False,
) -> None:
    """Bring runs up to date with their vendors now, instead of at the next round."""
    if agent is not None or unit is not None:
        if full or requester is not None or (agent is not None and unit is not None):
            raise InputError("Name one agent, or one unit, or nothing but accounts. Nothing was compared.")
        _one(_agent(agent, unit), as_json=as_json)
        return
    accounts = rounds.open_accounts(completed=full)
    if requester is not None:
        with transaction() as session:
            accounts = [lookup.requester(session, requester).id]
    failed = [error for account in accounts if (error := _problem(account, full=full))]
    done = len(accounts) - len(failed)
    if as_json:
        console.document({"compared": done, "failed": len(failed)})
    else:
        console.say(f"Compared with the vendor: {console.counted(done, 'account')}. See `crowdops run list`.")
    if failed:
        raise FailedError("\n".join(f"A vendor could not be asked. {asked(error)}" for error in failed))


def _problem(account: UUID, *, full: bool) -> ProviderError | LeaseError | None:
    """Why an account could not be compared; the others go on."""
    with transaction() as session:
        row = session.get_one(Requester, account)
    try:
        provider_of(account_of(row)).check()
        rounds.reconcile_account(account, full=full, completed=full)
    except (ProviderError, LeaseError) as error:
        return error
    return None


def _agent(agent: str | None, unit: str | None) -> Agent:
    """The agent of this id, or the one that has this unit."""
    with transaction() as session:
        if agent is not None:
            return lookup.agent(session, agent)
        row = lookup.unit(session, unit or "")
        if row.agent is None:
            raise InputError(f"Nobody has unit {row.id}: it is {row.status}. Nothing was compared.")
        return row.agent


def _one(agent: Agent, *, as_json: bool) -> None:
    done = sync.sync_one(agent.id)
    dispatch.wake()
    if as_json:
        strange = [{"finding": one.finding, "detail": one.detail} for one in done.strange]
        where = {"before": done.before, "after": done.after, "at_vendor": done.word}
        console.document({"agent": agent.id, **where, "discrepancies": strange})
        return
    there = f"the vendor shows {done.word}" if done.word else "the vendor knows it no more"
    moved = f"was {done.before} here, and is {done.after} now"
    same = f"is {done.after} here, as before"
    console.say(f"Agent {agent.id}: {there}; it {moved if done.before != done.after else same}.")
    if done.strange:
        console.say(f"That does not fit: `crowdops agent show {agent.id}` shows the discrepancy.")
