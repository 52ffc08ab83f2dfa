"""One participant's go at a study, in the three shapes that Prolific's document gives it."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from providers.prolific.simulator.clock import stamp
from providers.prolific.simulator.study import Study

HOLDING = frozenset({"RESERVED", "ACTIVE", "AWAITING REVIEW", "APPROVED", "PARTIALLY APPROVED"})
UNFINISHED = frozenset({"RESERVED", "ACTIVE", "TIMED-OUT"})
STATUSES = (
    "RESERVED",
    "ACTIVE",
    "AWAITING REVIEW",
    "APPROVED",
    "PARTIALLY APPROVED",
    "REJECTED",
    "RETURNED",
    "TIMED-OUT",
    "SCREENED OUT",
)


@dataclass
class Submission:
    """Starts when the place is reserved; `started` never changes, so the order of a listing does not either."""

    id: str
    study: Study
    participant: str
    started: datetime
    status: str = "RESERVED"
    completed: datetime | None = None
    code: str | None = None
    holds: bool = True
    """Whether it keeps its place from others."""
    return_requested: datetime | None = None
    bonus_payments: list[int] = field(default_factory=list)
    """The amount of each bonus in minor units, and nothing else, as at Prolific."""
    history: list[tuple[datetime, str]] = field(default_factory=list)
    """Each status that it got, with the moment."""

    def at(self, moment: datetime, approvals_until: datetime) -> "Submission | None":
        """The submission as a reader sees it who knows of approvals only up to some moment; None before it began."""
        known = (
            word
            for since, word in reversed(self.history)
            if since <= (approvals_until if word == "APPROVED" else moment)
        )
        status = next(known, None)
        finished = self.completed if self.completed and self.completed <= moment else None
        code = self.code if finished else None
        return None if status is None else replace(self, status=status, completed=finished, code=code)

    @property
    def order(self) -> tuple[datetime, str]:
        """The place in a listing."""
        return self.started, self.id

    def short(self) -> dict[str, Any]:
        """The shape in a list (SubmissionShort of the document)."""
        return {
            "id": self.id,
            "participant_id": self.participant,
            "status": self.status,
            "started_at": stamp(self.started),
            "completed_at": stamp(self.completed),
            "has_siblings": self.study.participants[self.participant] > 1,
            "study_code": self.code,
            "return_requested": stamp(self.return_requested),
        }

    def plain(self) -> dict[str, Any]:
        """The shape after a transition (Submission of the document)."""
        return {
            "id": self.id,
            "participant": self.participant,
            "study_id": self.study.id,
            "status": self.status,
            "started_at": stamp(self.started),
            "completed_at": stamp(self.completed),
            "entered_code": self.code,
        }

    def asked(self) -> dict[str, Any]:
        """The shape after a request to return (ReturnRequestedResponse of the document)."""
        names = ("id", "status", "participant", "return_requested")
        return {name: value for name, value in self.detail().items() if name in names}

    def detail(self) -> dict[str, Any]:
        """The shape on its own (SubmissionDetail of the document)."""
        more = {"bonus_payments": list(self.bonus_payments), "return_requested": stamp(self.return_requested)}
        return self.plain() | {"parent_study_id": None} | more
