"""What a vendor must supply: frozen requests go in, outcomes come out, and no database work is done here.

A provider sends, reads back, lists and counts; the engine decides what each answer means.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy.orm import Session

from models import cleanup
from models.agent import Agent
from models.operation import Operation
from models.qualification import Qualification
from models.requester import Requester
from models.status import UNIT_OF_AGENT, AgentStatus
from models.task_run import TaskRun
from models.unit import Unit
from models.worker import Worker
from providers.errors import ProviderError


class Repeat(StrEnum):
    """Why sending a kind twice does no harm, or what must happen first."""

    ABSORBING = "absorbing"  #: Twice leaves the same state; "already done" is success after a read.
    KEYED = "keyed"  #: The vendor knows our token for `Kind.window` seconds after the first send.
    READ_BACK = "read_back"  #: Each send adds: send once, and only a read settles an unknown outcome.


@dataclass(frozen=True, slots=True)
class Kind:
    """What a vendor declares about one kind of operation."""

    name: str
    repeat: Repeat
    batch: int = 1
    """How many operations one request carries."""
    per_run: bool = False
    """Whether the members of a batch must belong to one task run."""
    lane: str | None = None
    """Requests of one lane go one at a time per purse (see `CrowdProvider.PURSE`)."""
    window: float = 0
    """Seconds that a token is honoured (KEYED only)."""
    resend_when_absent: bool = False
    """Whether "settled and not there" proves that an effect that adds did not happen; if not, a person decides."""
    exclusive: bool = False
    """Its target is its own while it is under way or in doubt; kinds that pay, or decide about pay, are exclusive."""
    snapshot: bool = False
    """What the vendor shows is read and kept before the first send: a read-back tells an effect by what was added."""
    urgent: bool = False
    """Urgent kinds (approve, expire) are dispatched before the others."""


@dataclass(frozen=True, slots=True)
class Account:
    """A requester as the vendor layer sees it; `credential` is a reference (``env:NAME`` or ``file:PATH``)."""

    id: UUID
    provider_type: str
    name: str
    credential: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """One operation, ready to be sent or read back. Its id is the vendor token."""

    id: UUID
    kind: str
    target: str
    body: Mapping[str, Any]
    """Our intent, frozen when it was planned."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Vendor ids known since: the account's, the run's, the agent's, the `worker`'s, and `groups` by our ids."""
    amount_minor: int | None = None
    currency: str | None = None
    sandbox: bool | None = None
    """Whether its run was planned where no real money moves; None for what belongs to no run."""
    baseline: Mapping[str, Any] | None = None
    """What `CrowdProvider.snapshot` told before the first send; it never changes after that."""


@dataclass(frozen=True, slots=True)
class Done:
    """The effect is there, seen in a well-formed answer."""

    result: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The vendor took the request and will carry it out later; only a read proves it."""

    result: Mapping[str, Any] = field(default_factory=dict)
    """What its answer said about this operation; what the read shows is added to it."""


@dataclass(frozen=True, slots=True)
class Absent:
    """A conclusive read: the effect is not there now."""


Outcome = Done | Accepted | Absent | ProviderError


@dataclass(frozen=True, slots=True)
class Observation:
    """One submission as the vendor lists it; `status` is None for a word that we do not know."""

    submission_id: str
    worker_name: str
    status: AgentStatus | None
    word: str
    transient: bool = False
    """The word is one that passes by itself, so it is not worth a report."""
    partial: bool = False
    """Less than the agreed pay was paid, so it is no proof of an approval."""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Quote:
    """What a vendor says a launch costs, in minor units of `currency`, fees included."""

    total_minor: int
    currency: str


TOTAL = "TOTAL"
"""The word under which `CrowdProvider.changed` counts all submissions."""


class CrowdProvider(ABC):
    """A vendor. One instance a process and account; it keeps nothing that matters."""

    PROVIDER_TYPE: ClassVar[str]
    UnitClass: ClassVar[type[Unit]]
    RequesterClass: ClassVar[type[Requester]]
    WorkerClass: ClassVar[type[Worker]]
    AgentClass: ClassVar[type[Agent]]
    ArgsClass: ClassVar[type[BaseModel]]
    KINDS: ClassVar[Mapping[str, Kind]]
    FACTS: ClassVar[Mapping[str, str]] = {}
    """What an account must name besides its credential, with its meaning."""
    PURSE: ClassVar[str | None] = None
    """Which of these names whose money it is: accounts with the same one spend from one balance."""
    calls_per_second: ClassVar[float] = 10
    """Where the learned rate of a new account begins."""

    def __init__(self, account: Account) -> None:
        """Bind the provider to one account."""
        self.account = account

    @abstractmethod
    def is_sandbox(self) -> bool:
        """Whether no real money moves."""

    @classmethod
    @abstractmethod
    def setup_resources_for_task_run(cls, session: Session, run: TaskRun) -> Operation:
        """Plan what the vendor needs before units can be launched, in the caller's transaction.

        Returns the operation that launches must wait for.
        """

    @classmethod
    def cleanup_resources_from_task_run(cls, _session: Session, run: TaskRun) -> list[Operation]:
        """Plan the deletion of what was made at the vendor for a run that is over, and that no other run needs.

        Raises:
            InUseError: the run is not over, or what it has is just being changed.
        """
        return cleanup.of_run(run)

    @classmethod
    def cleanup_qualification(cls, session: Session, qualification: Qualification) -> list[Operation]:
        """Plan the deletion of what was made at the vendor for a qualification.

        Raises:
            InUseError: a run that is not over asks for it, or what it has is just being changed.
        """
        return cleanup.of_qualification(session, qualification, cls.PROVIDER_TYPE)

    @classmethod
    def return_url(cls, _code: str) -> str | None:
        """Where a worker's browser goes with a completion code when the work is handed in; None for nowhere."""
        return None

    @abstractmethod
    def send(self, requests: Sequence[Request]) -> Sequence[Outcome]:
        """Carry out one vendor request for all members; outcomes come in the order of the requests.

        Raises:
            ProviderError: the same outcome for every member.
        """

    def snapshot(self, _requests: Sequence[Request]) -> Sequence[Mapping[str, Any] | ProviderError]:
        """Read what the vendor shows of each target now; for kinds that declare a `snapshot`.

        What cannot be read is not sent, and is asked for again later; the others are.

        Raises:
            ProviderError: no read was possible, and nothing is sent.
        """
        raise NotImplementedError(f"{self.PROVIDER_TYPE} declares a kind that needs a snapshot, and takes none.")

    @abstractmethod
    def find(self, requests: Sequence[Request]) -> Sequence[Outcome]:
        """Read back: is the effect of each there?

        `Done`, `Absent`, and a `RejectedError` that is returned (the vendor shows another decision) are conclusive.

        Raises:
            ProviderError: the read failed; nothing is known, not even from a refusal.
        """

    @abstractmethod
    def is_at_vendor(self, run_facts: Mapping[str, Any]) -> bool:
        """Whether a run has something at the vendor that can be listed."""

    @abstractmethod
    def changed(self, run_facts: Mapping[str, Any]) -> Mapping[str, int]:
        """The cheapest change detector the vendor has: equal vectors mean nothing moved forward.

        It counts submissions by the words that observations carry, and all of them as `TOTAL`: a listing that shows
        other numbers is not complete, or not of the same moment.
        """

    @abstractmethod
    def observe(self, run_facts: Mapping[str, Any]) -> Iterator[Sequence[Observation]]:
        """List every submission of a run, unfiltered, page by page."""

    @classmethod
    @abstractmethod
    def status_of(cls, word: str) -> AgentStatus | None:
        """The agent's status that one of the words of `changed` stands for; None for a word that tells nothing."""

    def left(self, run_facts: Mapping[str, Any]) -> Iterator[Sequence[Observation]]:
        """Submissions whose workers gave them up or ran out of time, which frees their places, page by page.

        Raises:
            ProviderError: the read failed.
        """
        for page in self.observe(run_facts):
            yield [row for row in page if row.status and not UNIT_OF_AGENT[row.status]]

    @abstractmethod
    def look(self, run_facts: Mapping[str, Any], submission: str) -> Observation:
        """One submission of a run, with one read.

        Raises:
            RejectedError: the run has no such submission.
        """

    def payments(self, submissions: Sequence[str]) -> Sequence[Sequence[int] | ProviderError]:
        """The bonuses that the vendor shows of each submission, in minor units; an error where a read failed."""
        return [() for _ in submissions]

    @abstractmethod
    def recruits(self, run_facts: Mapping[str, Any]) -> bool:
        """Whether anybody may still begin to work on a run, now or after a pause."""

    @abstractmethod
    def quote(self, pay_minor: int, currency: str, places: int) -> Quote:
        """What `places` units would cost, fees and taxes included, before anything is launched."""

    @abstractmethod
    def balance(self) -> Quote:
        """What the account has available to spend."""

    def holdings(self) -> Quote | None:
        """What the account has in all, with what is reserved; None where the vendor does not say."""
        return None

    @abstractmethod
    def check(self) -> None:
        """One harmless read that proves the credential.

        Raises:
            AccountError: the credential is refused.
        """
