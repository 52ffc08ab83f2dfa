"""`crowdops reconcile`: runs are compared with their vendors at once, in this process."""

from typing import Annotated
from uuid import UUID

import typer

from cli import console, lookup
from cli.failure import FailedError, asked
from cli.servers import embedded
from models.requester import Requester
from models.session import transaction
from providers import account_of, provider_of
from providers.errors import ProviderError
from tasks import reconcile as rounds
from tasks.lease import LeaseError


@embedded()
def reconcile(
    *,
    full: Annotated[bool, typer.Option("--full", help="List every submission, of completed runs too.")] = False,
    requester: Annotated[str | None, typer.Option(metavar="NAME", help="Only this account, even a paused one.")] = None,
) -> None:
    """Bring runs up to date with their vendors now, instead of at the next round."""
    accounts = rounds.open_accounts(completed=full)
    if requester is not None:
        with transaction() as session:
            accounts = [lookup.requester(session, requester).id]
    failed = [error for account in accounts if (error := _problem(account, full=full))]
    done = console.counted(len(accounts) - len(failed), "account")
    console.say(f"Compared with the vendor: {done}. See `crowdops run list`.")
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
