"""A seeded crowd: it is told when a study has room, and takes places, starts and finishes on the virtual clock.

Who comes as the n-th to a study, after what wait and for how long, depends on the seed, the study's number and n only.
"""

from collections.abc import Callable
from functools import partial
from random import Random

from providers.prolific.simulator.eligibility import newcomer
from providers.prolific.simulator.identity import stream
from providers.prolific.simulator.state import State
from providers.prolific.simulator.study import Study
from providers.prolific.simulator.submission import Submission

LOOKING_SECONDS = (5.0, 20.0)
"""How long a participant holds a place before the study's page is opened."""
WORKING_SHARE = (0.5, 1.6, 0.9)
"""Least, most and usual time at work, as a share of the estimated completion time."""


class Crowd:
    """Participants who take what they find; `arrivals` of them come to a study each virtual minute."""

    def __init__(self, state: State, arrivals: float, *, on: bool) -> None:
        """Watch `state`; with `on` false nobody comes until `switch`."""
        if arrivals <= 0:
            raise ValueError("Arrivals must be a positive number of participants a virtual minute.")
        self.state = state
        self.arrivals = arrivals
        self.on = on
        self._expected: set[str] = set()
        state.on_open = self._expect

    def switch(self, *, on: bool) -> None:
        """Let participants come, or keep new ones away; those at work finish."""
        with self.state.turn():
            self.on = on
            for study in self.state.studies.values():
                self.state.settle(study)

    def _expect(self, study: Study) -> None:
        if study.id in self._expected:
            return
        self._expected.add(study.id)
        random = stream(self.state.seed, "crowd", study.number, study.counts.total())
        self.state.clock.after(random.expovariate(self.arrivals / 60), partial(self._arrive, study, random))

    def _arrive(self, study: Study, random: Random) -> None:
        self._expected.discard(study.id)
        if not self.on or study.status != "ACTIVE" or not study.vacant:
            return
        participant = newcomer(self.state, study)
        if participant is None:
            return
        submission = self.state.take_place(study.id, participant)
        self._then(submission, "RESERVED", random.uniform(*LOOKING_SECONDS), partial(self._start, submission, random))

    def _start(self, submission: Submission, random: Random) -> None:
        self.state.start(submission.id)
        fields = submission.study.fields
        minutes = min(fields["estimated_completion_time"] * random.triangular(*WORKING_SHARE), _latest(fields))
        self._then(submission, "ACTIVE", minutes * 60, partial(self.state.finish, submission.id))

    def _then(self, submission: Submission, status: str, seconds: float, action: Callable[[], object]) -> None:
        """Do `action` later, unless somebody else has moved the submission meanwhile."""
        self.state.clock.after(seconds, lambda: action() if submission.status == status else None)


def _latest(fields: dict[str, float]) -> float:
    return fields["maximum_allowed_time"] * 0.95
