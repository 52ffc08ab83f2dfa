"""Everything the simulated Prolific knows, found by id, and the money that follows from it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from fractions import Fraction
from http import HTTPStatus
from threading import RLock
from typing import TYPE_CHECKING, TypeVar

from providers.prolific.simulator.answer import ApiError
from providers.prolific.simulator.bonus import Batch
from providers.prolific.simulator.clock import Clock
from providers.prolific.simulator.group import Group
from providers.prolific.simulator.identity import identifier
from providers.prolific.simulator.money import minor
from providers.prolific.simulator.study import Study
from providers.prolific.simulator.submission import Submission

if TYPE_CHECKING:
    from providers.prolific.simulator.ledger import Effect
    from providers.prolific.simulator.message import Message

T = TypeVar("T")


class Memory:
    """One workspace with one project."""

    def __init__(self, seed: int, clock: Clock, currency: str, deposit: int) -> None:
        """Begin with `deposit` minor units in the wallet and nothing else."""
        self.seed = seed
        self.clock = clock
        self.currency = currency
        self.deposit = deposit
        self.user = identifier(seed, "user")
        self.workspace = identifier(seed, "workspace")
        self.project = identifier(seed, "project")
        self.studies: dict[str, Study] = {}
        self.studies_made = 0
        self.submissions: dict[str, Submission] = {}
        self.in_order: list[Submission] = []
        self.groups: dict[str, Group] = {}
        self.messages: list[Message] = []
        self.batches: dict[str, Batch] = {}
        self.due: list[Batch] = []
        """Bonuses that are going to be paid; a batch that was asked for twice stands here twice."""
        self.ledger: list[Effect] = []
        self.visible_after = 0.0
        """How many seconds old an approval is before reads show it."""
        self._lock = RLock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """One caller at a time, with everything done first that is already due."""
        with self._lock:
            self.clock.run_due()
            yield

    def study(self, study_id: str) -> Study:
        """The study with this id.

        Raises:
            ApiError: 404, there is none.
        """
        return _found(self.studies, study_id, "study")

    def submission(self, submission_id: str) -> Submission:
        """The submission with this id.

        Raises:
            ApiError: 404, there is none.
        """
        return _found(self.submissions, submission_id, "submission")

    def seen(self, rows: Sequence[Submission], age: float = 0.0) -> Sequence[Submission]:
        """The submissions as reads show them, or as reads showed them `age` seconds ago."""
        if not (age or self.visible_after):
            return rows
        moment = self.clock.now() - timedelta(seconds=age)
        approvals = moment - timedelta(seconds=self.visible_after)
        return [row for one in rows if (row := one.at(moment, approvals))]

    def group(self, group_id: str) -> Group:
        """The participant group with this id, deleted or not.

        Raises:
            ApiError: 404, there is none.
        """
        return _found(self.groups, group_id, "participant group")

    def batch(self, batch_id: str) -> Batch:
        """The bonuses that were set up under this id.

        Raises:
            ApiError: 404, there are none.
        """
        return _found(self.batches, batch_id, "bulk bonus payment")

    def total(self) -> Fraction:
        """What the wallet holds, reserved or not."""
        return self.deposit - sum((study.spent for study in self.studies.values()), Fraction())

    def available(self) -> Fraction:
        """What may still be spent."""
        reserved = sum((study.reserved for study in self.studies.values()), Fraction())
        return self.total() - reserved - sum((batch.quote["total_amount"] for batch in self.due), Fraction())

    def require(self, amount: Fraction) -> None:
        """Check that the wallet can bear `amount` more.

        Raises:
            ApiError: 400, it cannot.
        """
        if amount > self.available():
            needed, there = minor(amount), minor(self.available())
            raise ApiError(
                HTTPStatus.BAD_REQUEST,
                f"Insufficient funds: {needed} {self.currency} minor units are needed, {there} are available. "
                "Top up the workspace and try again.",
            )


def _found(rows: Mapping[str, T], key: str, noun: str) -> T:
    if key not in rows:
        raise ApiError(HTTPStatus.NOT_FOUND, f"No {noun} matches the given id.")
    return rows[key]
