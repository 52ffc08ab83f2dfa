"""The only doors through which a study, a submission or a participant group changes.

Participants' moves come in by the helpers here; the researcher's calls come in by the endpoint files.
"""

from bisect import insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from providers.prolific.simulator.bonus import Batch
from providers.prolific.simulator.clock import Clock, stamp
from providers.prolific.simulator.eligibility import barred, newcomer
from providers.prolific.simulator.group import Group
from providers.prolific.simulator.identity import identifier
from providers.prolific.simulator.ledger import Effect
from providers.prolific.simulator.memory import Memory
from providers.prolific.simulator.message import Message
from providers.prolific.simulator.money import bonus_quote
from providers.prolific.simulator.study import Study
from providers.prolific.simulator.submission import HOLDING, STATUSES, UNFINISHED, Submission

RESERVED_SECONDS = 10 * 60.0
"""How long a place is held for somebody who does not start."""
REVIEW_SECONDS = 21 * 86400.0
"""How long a submission awaits review before it is approved by itself."""


class State(Memory):
    """What is known, and how it changes. Each public helper may be called from any thread."""

    def __init__(self, seed: int, clock: Clock, currency: str, deposit: int) -> None:
        """Begin with `deposit` minor units in the wallet and nothing else."""
        super().__init__(seed, clock, currency, deposit)
        self.on_open: Callable[[Study], None] = lambda _study: None
        """Called whenever an active study has a free place."""
        self.on_asked_back: Callable[[Submission], None] = lambda _submission: None
        """Called when a participant is asked to return a submission."""
        self.on_review: Callable[[Submission], None] = lambda _submission: None
        """Called when a submission begins to await review."""

    def record(  # noqa: PLR0913 - the columns of the ledger
        self,
        kind: str,
        study: Study | None = None,
        submission: Submission | None = None,
        *,
        group: Group | None = None,
        participants: Sequence[str] = (),
        amount: int | None = None,
    ) -> None:
        """Write one effect into the ledger."""
        self.ledger.append(
            Effect(
                n=len(self.ledger) + 1,
                at=stamp(self.clock.now()) or "",
                kind=kind,
                study=study.id if study else None,
                submission=submission.id if submission else None,
                amount_minor=amount,
                currency=self.currency,
                places=study.places if study and not (submission or participants) else None,
                internal_name=study.fields["internal_name"] if study else None,
                group=group.id if group else None,
                participants=tuple(participants),
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
        self._enter(submission)
        self.settle(study)

    def _enter(self, submission: Submission) -> None:
        """Note the new status, and plan what Prolific itself does to a submission that stays in it."""
        submission.history.append((self.clock.now(), submission.status))
        match submission.status:
            case "RESERVED":
                # RETURNED is what a participant does, says the document; who never came has done nothing.
                self._unless_moved(submission, RESERVED_SECONDS, "TIMED-OUT")
            case "ACTIVE":
                self._unless_moved(submission, submission.study.fields["maximum_allowed_time"] * 60, "TIMED-OUT")
            case "AWAITING REVIEW":
                self._unless_moved(submission, REVIEW_SECONDS, "APPROVED")
                self.on_review(submission)

    def _unless_moved(self, submission: Submission, seconds: float, end: str) -> None:
        self.clock.after(seconds, partial(self._move_from, submission.status, submission, end))

    def _move_from(self, status: str, submission: Submission, end: str) -> None:
        if submission.status == status:
            self.move(submission, end)

    def settle(self, study: Study) -> None:
        """Close a study whose places are all taken and where nobody works; tell the crowd of free places."""
        if study.live and not study.publishing and study.free == 0 and study.working == 0:
            study.closed = True
        if study.status == "ACTIVE" and study.vacant:
            self.on_open(study)

    def approve(self, submission: Submission) -> None:
        """Pay a submission that awaits review; the caller has checked that it does."""
        self.move(submission, "APPROVED")
        self.record("submission_approved", submission.study, submission, amount=submission.study.reward)

    def screen_out(self, submission: Submission) -> None:
        """Pay a participant the fixed reward; a study that used up its slots pauses if it still has places."""
        study = submission.study
        submission.completed = submission.completed or self.clock.now()
        self.move(submission, "SCREENED OUT")
        if study.counts["SCREENED OUT"] >= study.screen_out_slots and study.free:
            study.paused = True

    def pay_out(self, batch: Batch) -> None:
        """Pay bonuses that are due."""
        self.due.remove(batch)
        batch.study.bonus_cost += batch.quote["total_amount"]
        for submission, amount in batch.bonuses:
            batch.study.bonuses += amount
            submission.bonus_payments.append(amount)
            self.record("bonus_paid", batch.study, submission, amount=amount)

    def regroup(self, group: Group, joining: Iterable[str], leaving: Iterable[str]) -> tuple[list[str], list[str]]:
        """Change who is in a group, for published studies too; who was really added, and who removed."""
        changed = group.add(joining, self.clock.now()), group.remove(leaving)
        for study in self.studies.values():
            self.settle(study)
        return changed

    def tell(self, participant: str, body: str, study: Study | None) -> None:
        """Send a message to somebody."""
        id_ = identifier(self.seed, "message", len(self.messages))
        self.messages.append(Message(id_, self.user, participant, body, self.clock.now(), study.id if study else None))

    def ask_back(self, submission: Submission, reasons: Sequence[str]) -> None:
        """Ask a participant to return a submission; what comes of it is up to the participant."""
        submission.return_requested = self.clock.now()
        text = f"Please return your submission: {' '.join(reasons)}"
        self.tell(submission.participant, text, submission.study)
        self.on_asked_back(submission)

    # What participants do

    def take_place(self, study_id: str, participant: str | None = None) -> Submission:
        """Somebody reserves a place; a new participant, unless one is named.

        Raises:
            ValueError: the study has no place to give, or none to this participant.
        """
        with self.turn():
            study = self.study(study_id)
            if study.status != "ACTIVE" or not study.vacant:
                raise ValueError(f"Study {study_id} is {study.status} with {study.vacant} free places: none to take.")
            participant = participant or newcomer(self, study)
            if participant is None:
                raise ValueError(f"Study {study_id} is for a group in which nobody is left who may take a place.")
            if reason := barred(self, study, participant):
                raise ValueError(f"No place in study {study_id} for participant {participant}, who {reason}.")
            return self._admit(study, participant)

    def _admit(self, study: Study, participant: str) -> Submission:
        id_ = identifier(self.seed, "submission", study.number, study.counts.total())
        submission = Submission(id_, study, participant, started=self.clock.now())
        self.submissions[submission.id] = submission
        for rows in (study.submissions, self.in_order):
            insort(rows, submission, key=lambda row: row.order)
        study.participants[submission.participant] += 1
        study.counts[submission.status] += 1
        study.held += 1
        self._enter(submission)
        self.settle(study)
        return submission

    def start(self, submission_id: str) -> None:
        """The participant opens the study's page."""
        self.set_status(submission_id, "ACTIVE")

    def finish(self, submission_id: str, code: str | None = None) -> None:
        """The participant hands the work in, with the study's first completion code unless told; a late one may too.

        Raises:
            ValueError: the submission is over already.
        """
        with self.turn():
            submission = self.submission(submission_id)
            if submission.status not in UNFINISHED:
                raise ValueError(f"Submission {submission_id} is {submission.status}: there is nothing to finish.")
            codes = submission.study.fields["completion_codes"]
            known = (one for one in codes if one["actor"] == "participant" and one["code"] == code)
            first = submission.study.participants_code
            self.hand_in(submission, first if code is None else next(known, {"code": code, "actions": []}))

    def hand_in(self, submission: Submission, code: Mapping[str, Any]) -> None:
        """Complete a submission with a code and carry out what the code asks for."""
        submission.code = code["code"]
        submission.completed = self.clock.now()
        actions = {action.get("action"): action for action in code["actions"]}
        if "FIXED_SCREEN_OUT_PAYMENT" in actions:
            self.screen_out(submission)
        else:
            self.move(submission, "AWAITING REVIEW")
        for action in actions.values():
            self._follow(submission, action)

    def _follow(self, submission: Submission, action: Mapping[str, Any]) -> None:
        group = self.groups.get(action.get("participant_group", ""))
        match action.get("action"):
            case "AUTOMATICALLY_APPROVE":
                self.approve(submission)
            case "ADD_TO_PARTICIPANT_GROUP" if group:
                self.regroup(group, [submission.participant], [])
            case "REMOVE_FROM_PARTICIPANT_GROUP" if group:
                self.regroup(group, [], [submission.participant])
            case "REQUEST_RETURN":
                self.ask_back(submission, [action.get("return_reason", "")])

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

    def pay_bonus(self, submission_id: str, amount_minor: int) -> None:
        """Pay a bonus by hand, as a person in Prolific's own pages would; no effect is recorded either."""
        with self.turn():
            submission = self.submission(submission_id)
            submission.bonus_payments.append(amount_minor)
            submission.study.bonuses += amount_minor
            submission.study.bonus_cost += bonus_quote(amount_minor)["total_amount"]
