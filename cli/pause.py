"""Why an account rests, in words that end with what to do about it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from cli.console import cell
from models.requester import Requester
from tasks import pacing


@dataclass(frozen=True, slots=True)
class Pause:
    """The pause of an account; without an end it waits for a person."""

    account: str
    reason: str
    until: datetime | None

    @property
    def told(self) -> str:
        """The whole, for a person."""
        resume = f"`crowdops requester resume {self.account}`"
        on = f"It goes on at {cell(self.until)}, or now with {resume}." if self.until else None
        return f"The account is paused: {cell(self.reason).rstrip('.')}. {on or f'When that is mended: {resume}.'}"


def made(account: Requester) -> Pause:
    """The pause of an account that is known to be paused."""
    return Pause(account.name, str(account.paused_reason), account.paused_until)


def of(session: Session, account: Requester) -> Pause | None:
    """The pause of an account; None if it is open."""
    paused = select(Requester).where(Requester.id == account.id, ~pacing.is_open(Requester.id))
    found = session.scalars(paused.execution_options(populate_existing=True)).one_or_none()
    return made(found) if found is not None else None
