"""What people are like, as shares of them: everything is 0 unless asked for, and the seed decides who it is."""

from dataclasses import dataclass, field, fields
from random import Random
from typing import Any

ENDINGS = ("no_shows", "returns", "time_outs", "late", "wrong_codes")
"""Of these each participant has one, or none."""


def _share(of_whom: str) -> Any:  # noqa: ANN401 - what `field` returns stands for the field's own type
    return field(default=0.0, metadata={"help": f"share of {of_whom}"})


@dataclass(frozen=True, slots=True)
class Habits:
    """Shares between 0 and 1; a participant's habit is drawn when the place is taken."""

    no_shows: float = _share("participants who never open the study's page")
    returns: float = _share("participants who open it and return the submission before they finish")
    time_outs: float = _share("participants who open it and are never seen again")
    late: float = _share("participants who finish after the submission has timed out")
    wrong_codes: float = _share("participants who finish with a completion code that is not the study's")
    repeats: float = _share("arrivals who have been there before, where a study allows that")
    heeds: float = _share("participants who return a submission when they are asked to")
    hand_approvals: float = _share("submissions that a person approves in Prolific's own pages")
    hand_rejections: float = _share("submissions that a person rejects there")

    def __post_init__(self) -> None:
        """Check the shares.

        Raises:
            ValueError: one is no share, or those of one whole are more than the whole.
        """
        shares = [getattr(self, one.name) for one in fields(Habits)]
        wholes = (self._endings(), [self.hand_approvals, self.hand_rejections])
        if min(shares) < 0 or max(shares) > 1 or any(sum(whole) > 1 for whole in wholes):
            raise ValueError("Shares lie between 0 and 1, and those that exclude each other add up to 1 at most.")

    def ending(self, random: Random) -> str:
        """One of `ENDINGS`, or ``diligent``."""
        shares = self._endings()
        (chosen,) = random.choices([*ENDINGS, "diligent"], [*shares, max(0.0, 1 - sum(shares))])
        return chosen

    def shares(self) -> dict[str, float]:
        """Those that are asked for."""
        return {one.name: share for one in fields(Habits) if (share := getattr(self, one.name))}

    def _endings(self) -> list[float]:
        return [getattr(self, name) for name in ENDINGS]
