"""Everything the simulated Prolific knows, and the only doors through which a study or a submission changes.

Participants' moves come in by the helpers here; the researcher's calls come in by the endpoint files.
"""

from bisect import insort
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from http import HTTPStatus
from threading import RLock
from typing import Any

from providers.prolific.simulator.answer import ApiError
from providers.prolific.simulator.clock import Clock, stamp
from providers.prolific.simulator.identity import identifier
from providers.prolific.simulator.ledger import Effect
from providers.prolific.simulator.money import minor
from providers.prolific.simulator.study import Study
from providers.prolific.simulator.submission import HOLDING, STATUSES, UNFINISHED, Submission


class State:
    """One workspace with one project. Each public helper may be called from any thread."""

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
        self.ledger: list[Effect] = []
        self.on_open: Callable[[Study], None] = lambda _study: None
        """Called whenever an active study has a free place."""
        self._lock = RLock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """One caller at a time, with everything done first that is already due."""
        with self._lock:
            self.clock.run_due()
            yield

    # Looking things up

    def study(self, study_id: str) -> Study:
        """The study with this id.

        Raises:
            ApiError: 404, there is none.
        """
        if study_id not in self.studies:
            raise ApiError(HTTPStatus.NOT_FOUND, "No study matches the given id.")
        return self.studies[study_id]

    def submission(self, submission_id: str) -> Submission:
        """The submission with this id.

        Raises:
            ApiError: 404, there is none.
        """
        if submission_id not in self.submissions:
            raise ApiError(HTTPStatus.NOT_FOUND, "No submission matches the given id.")
        return self.submissions[submission_id]

    # Money

    def total(self) -> Fraction:
        """What the wallet holds, reserved or not."""
        return self.deposit - sum((study.spent for study in self.studies.values()), Fraction())

    def available(self) -> Fraction:
        """What may still be spent."""
        return self.total() - sum((study.reserved for study in self.studies.values()), Fraction())

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

    # Changing things

    def record(self, kind: str, study: Study, submission: Submission | None = None, amount: int | None = None) -> None:
        """Write one effect into the ledger."""
        self.ledger.append(
            Effect(
                n=len(self.ledger) + 1,
                at=stamp(self.clock.now()) or "",
                kind=kind,
                study=study.id,
                submission=submission.id if submission else None,
                amount_minor=amount,
                currency=self.currency,
                places=None if submission else study.places,
                internal_name=study.fields["internal_name"],
            )
        )

    def move(self, submission: Submission, status: str) -> None:
        """Give a submission another status, and its place back if the study still recruits."""
        study = submission.study
        study.counts[submission.status] -= 1
        study.counts[status] += 1
        submission.status = status
        holds = status in HOLDING or (submission.holds and not study.live)
        study.held += holds - submission.holds
        submission.holds = holds
        self.settle(study)

    def settle(self, study: Study) -> None:
        """Close a study whose places are all taken and where nobody works; tell the crowd of free places."""
        if study.live and not study.publishing and study.free == 0 and study.working == 0:
            study.closed = True
        if study.status == "ACTIVE" and study.free:
            self.on_open(study)

    def approve(self, submission: Submission) -> None:
        """Pay a submission that awaits review; the caller has checked that it does."""
        self.move(submission, "APPROVED")
        self.record("submission_approved", submission.study, submission, submission.study.reward)

    # What participants do

    def take_place(self, study_id: str, participant: str | None = None) -> Submission:
        """Somebody reserves a place; a new participant, unless one is named.

        Raises:
            ValueError: the study has no place to give.
        """
        with self.turn():
            study = self.study(study_id)
            if study.status != "ACTIVE" or not study.free:
                raise ValueError(f"Study {study_id} is {study.status} with {study.free} free places: none to take.")
            number = study.counts.total()
            submission = Submission(
                id=identifier(self.seed, "submission", study.number, number),
                study=study,
                participant=participant or identifier(self.seed, "participant", number),
                started=self.clock.now(),
            )
            self._admit(submission)
            return submission

    def _admit(self, submission: Submission) -> None:
        study = submission.study
        self.submissions[submission.id] = submission
        for rows in (study.submissions, self.in_order):
            insort(rows, submission, key=lambda row: row.order)
        study.participants[submission.participant] += 1
        study.counts[submission.status] += 1
        study.held += 1
        self.settle(study)

    def start(self, submission_id: str) -> None:
        """The participant opens the study's page."""
        self.set_status(submission_id, "ACTIVE")

    def finish(self, submission_id: str) -> None:
        """The participant hands the work in with the study's first completion code; a late one may have timed out.

        Raises:
            ValueError: the submission is over already.
        """
        with self.turn():
            submission = self.submission(submission_id)
            if submission.status not in UNFINISHED:
                raise ValueError(f"Submission {submission_id} is {submission.status}: there is nothing to finish.")
            self.hand_in(submission, _participants_code(submission.study.fields["completion_codes"]))

    def hand_in(self, submission: Submission, code: dict[str, Any]) -> None:
        """Complete a submission with a code and carry out what the code asks for."""
        submission.code = code["code"]
        submission.completed = self.clock.now()
        self.move(submission, "AWAITING REVIEW")
        if {"action": "AUTOMATICALLY_APPROVE"} in code["actions"]:
            self.approve(submission)

    def set_status(self, submission_id: str, status: str) -> None:
        """Move a submission by hand, as the participant or a person in Prolific's own pages would.

        No effect is recorded, because no call caused it.

        Raises:
            ValueError: Prolific has no such status.
        """
        if status not in STATUSES:
            raise ValueError(f"{status!r} is no status of a submission; use one of {', '.join(STATUSES)}.")
        with self.turn():
            self.move(self.submission(submission_id), status)


def _participants_code(codes: list[dict[str, Any]]) -> dict[str, Any]:
    return next((code for code in codes if code["actor"] == "participant"), codes[0])
