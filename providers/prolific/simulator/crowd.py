"""A seeded crowd: it is told when a study has room, and sends participants who take places and live on by themselves.

Who comes as the n-th to a study, after what wait and for how long, depends on the seed, the study's number and n only.
"""

from functools import partial
from random import Random

from providers.prolific.simulator.browser import Browser
from providers.prolific.simulator.eligibility import barred, newcomer
from providers.prolific.simulator.habits import Habits
from providers.prolific.simulator.identity import stream
from providers.prolific.simulator.participant import Participant
from providers.prolific.simulator.state import State
from providers.prolific.simulator.study import Study
from providers.prolific.simulator.submission import UNFINISHED, Submission

HEEDING_SECONDS = (30.0, 600.0)
"""How long it takes somebody to return a submission after being asked to."""


class Crowd:
    """Participants who take what they find; `arrivals` of them come to a study each virtual minute."""

    def __init__(
        self, state: State, arrivals: float, habits: Habits, browser: Browser | None = None, *, on: bool
    ) -> None:
        """Watch `state`; with `on` false nobody comes until `switch`, and with a browser tasks' pages are opened."""
        if arrivals <= 0:
            raise ValueError("Arrivals must be a positive number of participants a virtual minute.")
        self.state = state
        self.arrivals = arrivals
        self.habits = habits
        self.browser = browser
        self.on = on
        self._expected: set[str] = set()
        state.on_open = self._expect
        state.on_asked_back = self._consider

    def switch(self, *, on: bool) -> None:
        """Let participants come, or keep new ones away; those at work finish."""
        with self.state.turn():
            self.on = on
            for study in self.state.studies.values():
                self.state.settle(study)

    def send(self, study_id: str, participant: str | None = None) -> Submission:
        """Somebody comes at once, whether the crowd is on or not, and does as one of the crowd does.

        Raises:
            ValueError: the study has no place to give, or none to this participant.
        """
        with self.state.turn():
            submission = self.state.take_place(study_id, participant)
            self._live(submission, stream(self.state.seed, "sent", submission.id))
            return submission

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
        participant = self._again(study) or newcomer(self.state, study)
        if participant:
            self._live(self.state.take_place(study.id, participant), random)

    def _again(self, study: Study) -> str | None:
        random = stream(self.state.seed, "again", study.number, study.counts.total())
        if random.random() >= self.habits.repeats:
            return None
        known = [one for one in study.participants if barred(self.state, study, one) is None]
        return random.choice(known) if known else None

    def _live(self, submission: Submission, random: Random) -> None:
        habit = self.habits.ending(stream(self.state.seed, "habit", submission.id))
        Participant(self.state, submission, habit, random, self.browser)

    def _consider(self, submission: Submission) -> None:
        random = stream(self.state.seed, "heeds", submission.id)
        if random.random() < self.habits.heeds:
            self.state.clock.after(random.uniform(*HEEDING_SECONDS), partial(self._give_back, submission))

    def _give_back(self, submission: Submission) -> None:
        if submission.status in UNFINISHED | {"AWAITING REVIEW"}:
            self.state.set_status(submission.id, "RETURNED")
