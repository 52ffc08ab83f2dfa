"""One round an account at a time: an account's id goes in, and the block runs while its lease is kept, or not at all.

A process that dies lets go when the lease runs out; one that is too slow learns that it has lost it and stops.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID, uuid4

from sqlalchemy import or_, update
from sqlalchemy.sql.dml import ReturningUpdate

from models.clock import after, now, stopwatch
from models.requester import Requester
from models.session import transaction
from models.settings import settings


class LeaseError(Exception):
    """Another round of the same account is under way."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("Another round of this account is under way; it is done soon, so try again in a moment.")


@contextmanager
def held(account: UUID) -> Iterator[Callable[[], None]]:
    """Hold the account for a round; the function that comes out keeps it, and is called at every step.

    Raises:
        LeaseError: somebody else has it, at the beginning or at a later step.
    """
    owner = uuid4()
    row = update(Requester).where(Requester.id == account).returning(Requester.id)
    mine = row.where(Requester.reconcile_by == owner)
    free = row.where(or_(Requester.reconcile_until.is_(None), Requester.reconcile_until <= now()))

    def keep(which: ReturningUpdate[UUID] = mine) -> None:
        lasting = {"reconcile_by": owner, "reconcile_until": after(settings().timing.lease)}
        with transaction() as session:
            if session.execute(which.values(lasting)).first() is None:
                raise LeaseError

    keep(free)
    try:
        yield keep
    finally:
        with transaction() as session:
            session.execute(mine.values(reconcile_until=None, reconcile_by=None))


def sparing(keep: Callable[[], None]) -> Callable[[], None]:
    """Keep a lease only when a tenth of it has passed, for steps that take less time than to keep it does."""
    kept = stopwatch()

    def keep_in_time() -> None:
        nonlocal kept
        if stopwatch() - kept >= settings().timing.lease / 10:
            keep()
            kept = stopwatch()

    return keep_in_time
