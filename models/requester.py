"""A requester is one account at a vendor: its credential by reference, its pace, and whether it is paused."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, UniqueConstraint, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from models import ledger
from models.base import Base, vendor_classes
from models.posting import Posting
from models.spend_limit import Scope, SpendLimit


class Requester(Base):
    """An account. `credential` is a reference such as ``env:NAME`` or ``file:PATH``, never the secret itself."""

    __tablename__ = "requester"
    __table_args__ = (UniqueConstraint("provider_type", "name"), CheckConstraint("rate > 0", name="rate_positive"))
    __mapper_args__ = vendor_classes()

    provider_type: Mapped[str]
    name: Mapped[str]
    credential: Mapped[str]
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """The vendor's own: for Prolific the workspace and the project."""

    paused_reason: Mapped[str | None]
    paused_until: Mapped[datetime | None]
    """None while `paused_reason` is set means: until a person resumes it."""
    failures: Mapped[int] = mapped_column(server_default="0")
    """Failed requests in a row; a storm of them pauses the account."""

    reconcile_by: Mapped[UUID | None]
    """The round that holds the account now, until `reconcile_until` at most."""
    reconcile_until: Mapped[datetime | None]

    rate: Mapped[float]
    """Requests per second that the vendor has been seen to bear; learned, shared by the fleet."""
    tokens: Mapped[float] = mapped_column(server_default="1")
    tokens_at: Mapped[datetime] = mapped_column(server_default=text("crowdops_now()"))

    def get_total_spend(self) -> int:
        """What was paid through this account, in minor units, fees and bonuses included."""
        return ledger.spent(self._session(), Posting.requester_id == self.id)

    def get_available_budget(self) -> int | None:
        """What may still be committed within the account's limit, in minor units; None where it has none."""
        session = self._session()
        mine = (SpendLimit.requester_id == self.id, SpendLimit.scope == Scope.ACCOUNT)
        limit = session.scalars(select(SpendLimit.amount_minor).where(*mine)).one_or_none()
        return None if limit is None else limit - ledger.committed(session, Posting.requester_id == self.id)

    def _session(self) -> Session:
        from models.plan import session_of  # noqa: PLC0415 - operations know their requester

        return session_of(self)
