"""One study: what the researcher wrote, how many places are held, and the status that follows from both.

Nothing that can be derived is stored, so places, status and money cannot disagree.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from providers.prolific.simulator.clock import stamp
from providers.prolific.simulator.money import FEE, VAT, cost, minor

if TYPE_CHECKING:
    from providers.prolific.simulator.submission import Submission

STATUSES = ("UNPUBLISHED", "SCHEDULED", "PUBLISHING", "ACTIVE", "PAUSED", "AWAITING REVIEW", "COMPLETED")


@dataclass
class Study:
    """A draft until it is published; closed when it was stopped or when all places are taken and nobody works."""

    id: str
    number: int
    """Counts the studies from 1; with the seed it decides who comes and when."""
    fields: dict[str, Any]
    created: datetime
    published: datetime | None = None
    publishing: bool = False
    paused: bool = False
    closed: bool = False
    held: int = 0
    """Places that are not free. A submission that ends without work frees its place only while the study is live."""
    bonuses: int = 0
    """What its participants got as bonuses, in minor units."""
    bonus_cost: Fraction = Fraction()
    """What those bonuses cost the researcher, fees and VAT included."""
    counts: Counter[str] = field(default_factory=Counter)
    submissions: "list[Submission]" = field(default_factory=list)
    """In the order of their start."""
    participants: Counter[str] = field(default_factory=Counter)

    @property
    def places(self) -> int:
        """Places in all, as the researcher set them."""
        return int(self.fields["total_available_places"])

    @property
    def reward(self) -> int:
        """What one approved submission earns, in minor units."""
        return int(self.fields["reward"])

    @property
    def live(self) -> bool:
        """Published and not closed: it may still recruit."""
        return self.published is not None and not self.closed

    @property
    def free(self) -> int:
        """Places that somebody may still take."""
        return max(0, self.places - self.held) if self.live else 0

    @property
    def vacant(self) -> int:
        """Free places that may be taken at this moment, with as many at work as the researcher allows at once."""
        most = self._limit("max_concurrent_submissions")
        return self.free if most is None else min(self.free, max(0, most - self.working))

    @property
    def most_each(self) -> int | None:
        """How many submissions one participant may have; None is no limit."""
        return self._limit("max_submissions_per_participant")

    def _limit(self, name: str) -> int | None:
        limit = int(self.fields["submissions_config"][name])
        return None if limit < 0 else limit

    @property
    def working(self) -> int:
        """Participants who hold a place and have not finished."""
        return self.counts["RESERVED"] + self.counts["ACTIVE"]

    @property
    def unjudged(self) -> int:
        """Submissions that wait for the researcher."""
        return self.counts["AWAITING REVIEW"]

    @property
    def status(self) -> str:
        """The word that Prolific uses for it."""
        if self.published is None:
            return "UNPUBLISHED"
        if self.publishing:
            return "PUBLISHING"
        if self.closed:
            return "AWAITING REVIEW" if self.working or self.unjudged else "COMPLETED"
        return "PAUSED" if self.paused else "ACTIVE"

    @property
    def reserved(self) -> Fraction:
        """Money that the workspace may not spend elsewhere."""
        return cost(self.reward, self.free + self.working + self.unjudged)

    def surcharge(self, places: int) -> Fraction:
        """Money that would be reserved on top, were `places` the places in all and the study live."""
        return cost(self.reward, max(0, places - self.held) - self.free)

    @property
    def spent(self) -> Fraction:
        """Money that has left the workspace."""
        return self.reward_cost + self.bonus_cost

    @property
    def reward_cost(self) -> Fraction:
        """What the rewards that were paid cost the researcher, fees and VAT included."""
        screened_out = cost(self.screen_out_reward, self.counts["SCREENED OUT"])
        return cost(self.reward, self.counts["APPROVED"]) + screened_out

    @property
    def participants_code(self) -> dict[str, Any]:
        """The completion code that who did the work hands in: the first of the participant's."""
        codes: list[dict[str, Any]] = self.fields["completion_codes"]
        return next((code for code in codes if code["actor"] == "participant"), codes[0])

    @property
    def screen_out_code(self) -> dict[str, Any] | None:
        """The completion code that screens out, if the researcher set one up."""
        codes = self.fields["completion_codes"]
        return next((code for code in codes if _screening(code)), None)

    @property
    def screen_out_reward(self) -> int:
        """What a screened-out participant earns, in minor units."""
        return int(_screening(self.screen_out_code)["fixed_screen_out_reward"]) if self.screen_out_code else 0

    @property
    def screen_out_slots(self) -> int:
        """How many may be screened out before the study pauses."""
        return int(_screening(self.screen_out_code)["slots"]) if self.screen_out_code else 0

    @property
    def taken(self) -> int:
        """Prolific's ``places_taken``: submissions started, without the timed-out and the returned."""
        return self.counts.total() - sum(self.counts[word] for word in ("RESERVED", "TIMED-OUT", "RETURNED"))

    def short(self) -> dict[str, Any]:
        """The shape of a study in a list (StudyShort of the document)."""
        return {
            "id": self.id,
            "name": self.fields["name"],
            "internal_name": self.fields["internal_name"],
            "status": self.status,
            "total_available_places": self.places,
            "places_taken": self.taken,
            "number_of_submissions": self.counts.total(),
            "reward": self.reward,
            "total_cost": minor(cost(self.reward, self.places)),
            "published_at": stamp(self.published),
            "date_created": stamp(self.created),
        }

    def full(self) -> dict[str, Any]:
        """The shape of a study on its own (Study of the document)."""
        return self.fields | self.short() | {"fees_percentage": float(FEE), "vat_percentage": float(VAT)}

    def submission_counts(self, statuses: Iterable[str]) -> dict[str, int]:
        """One number for each status, and TOTAL."""
        return {status: self.counts[status] for status in statuses} | {"TOTAL": self.counts.total()}


def _screening(code: Mapping[str, Any]) -> Mapping[str, Any]:
    actions = (action for action in code["actions"] if action.get("action") == "FIXED_SCREEN_OUT_PAYMENT")
    return next(actions, {})
