"""Somebody in Prolific's own pages: a share of what awaits review is approved or rejected there, by no call of anybody.

The ledger shows nothing of it, so that it stays a list of what calls did; `decided` counts it.
"""

from collections import Counter
from functools import partial

from providers.prolific.simulator.habits import Habits
from providers.prolific.simulator.identity import stream
from providers.prolific.simulator.state import State
from providers.prolific.simulator.submission import Submission

WAITING_SECONDS = (10.0, 300.0)
"""How long after it was handed in somebody looks at a submission."""


class Reviewer:
    """Decides on what `state` hands over, unless a call was faster."""

    def __init__(self, state: State, habits: Habits) -> None:
        """Watch `state`."""
        self.state = state
        self.habits = habits
        self.decided: Counter[str] = Counter()
        state.on_review = self._look

    def _look(self, submission: Submission) -> None:
        random = stream(self.state.seed, "by hand", submission.id)
        approvals, rejections = self.habits.hand_approvals, self.habits.hand_rejections
        words, shares = ["APPROVED", "REJECTED", ""], [approvals, rejections, max(0.0, 1 - approvals - rejections)]
        (word,) = random.choices(words, shares)
        if word:
            self.state.clock.after(random.uniform(*WAITING_SECONDS), partial(self._decide, submission, word))

    def _decide(self, submission: Submission, word: str) -> None:
        if submission.status == "AWAITING REVIEW":
            self.decided[word] += 1
            self.state.set_status(submission.id, word)
