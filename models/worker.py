"""A worker is a person at a vendor, known by the vendor's own pseudonym; its verbs plan operations."""

from typing import TYPE_CHECKING, Any

from sqlalchemy import UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models import block
from models.base import Base, vendor_classes

if TYPE_CHECKING:
    from models.operation import Operation
    from models.requester import Requester


class Worker(Base):
    """A person. `name` is the vendor's pseudonym: personal data that stays out of messages and logs."""

    __tablename__ = "worker"
    __table_args__ = (UniqueConstraint("provider_type", "name"),)
    __mapper_args__ = vendor_classes()

    provider_type: Mapped[str]
    name: Mapped[str]
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=text("'{}'"))

    def block_worker(self, requester: "Requester", reason: str) -> "Operation":
        """Let the worker take no place in an account's studies any more.

        Raises:
            ValueError: the account is at another vendor.
        """
        return block.block(self, requester, reason)

    def unblock_worker(self, requester: "Requester", reason: str) -> "Operation":
        """Let a blocked worker take places again.

        Raises:
            IllegalMoveError: the worker was never blocked by this account.
        """
        return block.unblock(self, requester, reason)

    def is_blocked(self, requester: "Requester") -> bool:
        """Whether the vendor has been seen to keep the worker out of the account's studies."""
        return block.is_blocked(self, requester)
