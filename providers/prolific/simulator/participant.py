"""One participant with one submission: it is planned on the virtual clock, from the place taken to the work handed in.

A step is only taken if nobody else has moved the submission meanwhile.
"""

from collections.abc import Callable
from functools import partial
from random import Random

from providers.prolific.simulator.browser import Browser
from providers.prolific.simulator.state import State
from providers.prolific.simulator.submission import Submission

LOOKING_SECONDS = (5.0, 20.0)
"""How long a participant holds a place before the study's page is opened."""
WORKING_SHARE = (0.5, 1.6, 0.9)
"""Least, most and usual time at work, as a share of the estimated completion time."""
LATE_SECONDS = (60.0, 900.0)
"""How long after the time was up a late participant finishes."""
WRONG_CODE = "NOCODE"


class Participant:
    """Behaves as `habit` says; with a browser the work is asked for and handed in through the task's page."""

    def __init__(
        self, state: State, submission: Submission, habit: str, random: Random, browser: Browser | None
    ) -> None:
        """Begin with the place that was just taken."""
        self.state = state
        self.submission = submission
        self.habit = habit
        self.random = random
        self.browser = browser
        if habit != "no_shows":
            self._then("RESERVED", random.uniform(*LOOKING_SECONDS), self._start)

    def _start(self) -> None:
        self.state.start(self.submission.id)
        gone = self.state.clock.seconds() + self._most
        work = partial(self._work, gone)
        if self.browser:
            self.browser.ask(self.submission, work)
        else:
            work()

    def _work(self, gone: float) -> None:
        """The page is there; `gone` is the moment at which the time is up."""
        share = self.random.triangular(*WORKING_SHARE)
        seconds = min(self.submission.study.fields["estimated_completion_time"] * 60 * share, self._most * 0.95)
        match self.habit:
            case "time_outs":
                pass
            case "late":
                left = max(0.0, gone - self.state.clock.seconds())
                self._then("TIMED-OUT", left + self.random.uniform(*LATE_SECONDS), self._hand_in)
            case "returns":
                back = partial(self.state.set_status, self.submission.id, "RETURNED")
                self._then("ACTIVE", seconds * self.random.random(), back)
            case _:
                self._then("ACTIVE", seconds, self._hand_in)

    def _hand_in(self) -> None:
        code = WRONG_CODE if self.habit == "wrong_codes" else self.submission.study.participants_code["code"]
        if self.browser:
            self.browser.submit(self.submission, code)
        else:
            self.state.finish(self.submission.id, code)

    @property
    def _most(self) -> float:
        return float(self.submission.study.fields["maximum_allowed_time"]) * 60

    def _then(self, status: str, seconds: float, action: Callable[[], object]) -> None:
        self.state.clock.after(seconds, lambda: action() if self.submission.status == status else None)
