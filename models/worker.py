"""A worker is a person at a vendor, known by the vendor's own pseudonym; its verbs plan operations."""

from typing import TYPE_CHECKING, Any

from sqlalchemy import UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models import block, bonus, eligibility, grant, message, plan
from models.base import Base, vendor_classes
from models.plan import DEFAULT_KEY

if TYPE_CHECKING:
    from models.agent import Agent
    from models.operation import Operation
    from models.requester import Requester
    from models.task_run import TaskRun


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

    def grant_qualification(self, name: str, value: int = 1) -> "list[Operation]":
        """Give the worker a number in a qualification; returns what that changes at the vendor.

        Raises:
            ValueError: that is no name for a qualification, or a number of more than 18 digits.
        """
        return grant.grant(self, name, value)

    def revoke_qualification(self, name: str) -> "list[Operation]":
        """Take a qualification away; returns what that changes at the vendor.

        Raises:
            UnknownQualificationError: there is no such qualification.
        """
        return grant.revoke(self, name)

    def is_qualified(self, name: str) -> bool:
        """Whether the worker has a number other than 0 in a qualification."""
        return bool(grant.granted(self).get(name))

    def is_disqualified(self, name: str) -> bool:
        """Whether the worker has 0 in a qualification; who was never granted it is neither."""
        return grant.granted(self).get(name) == 0

    def is_eligible(self, run: "TaskRun") -> bool:
        """Whether the worker may work on a run: not blocked, and granted all that it asks for."""
        return eligibility.is_eligible(self, run)

    def bonus_worker(self, amount_minor: int, reason: str, agent: "Agent", key: str = DEFAULT_KEY) -> "Operation":
        """Pay the worker something on top for a submission, once for each key.

        Args:
            amount_minor: How much, in minor units of the currency of the submission's run.
            reason: Why; it is kept here.
            agent: The worker's submission.
            key: Tells a second equal bonus from the same one asked for again.

        Raises:
            ValueError: the submission is somebody else's, or a sum, the reason or the key is none.
            IllegalMoveError: the worker is still at work on it.
            ConflictError: the key was used before for another sum or reason.
        """
        if agent.worker_id != self.id:
            raise ValueError(f"Agent {agent.id} is another worker, so this bonus would reach somebody else.")
        return bonus.pay(plan.session_of(self), [bonus.Bonus(agent, amount_minor, reason, key)])[0]

    def send_feedback_message(self, text: str, run: "TaskRun", key: str | None = None) -> "Operation":
        """Let the worker read a text about a run they worked on.

        Raises:
            ValueError: there is no text.
            IllegalMoveError: the worker has no part in the run.
            ConflictError: the key was used before with another text.
        """
        return message.tell(self, run, text, key)
