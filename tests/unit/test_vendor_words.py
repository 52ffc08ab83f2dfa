"""Every word of Prolific's against every status of ours: what it changes, what is old news, what is told."""

from itertools import product

import pytest

from models.discrepancy import Finding
from models.status import AgentStatus
from providers.contract import Observation
from providers.prolific import mapping
from tasks.diff import diff

A = AgentStatus
WORDS = (
    "RESERVED", "ACTIVE", "AWAITING REVIEW", "APPROVED", "PARTIALLY APPROVED", "SCREENED OUT", "REJECTED", "RETURNED",
    "TIMED-OUT", "PROCESSING", "UNKNOWN", "ON HOLD",
)  # fmt: skip
#: One row a status of ours (None: not known yet), one column a word of theirs. `.` changes nothing, `!` is reported,
#: a letter is the status that it becomes.
MEANING = {
    "a": A.ACCEPTED, "t": A.IN_TASK, "c": A.COMPLETED, "p": A.APPROVED, "r": A.REJECTED, "b": A.RETURNED,
    "o": A.TIMEOUT,
}  # fmt: skip
TABLE = {
    None:                 "a t c p p p r b o . ! !",
    A.NONE:               "a t c p p p r b o . ! !",
    A.ACCEPTED:           ". t c p p p r b o . ! !",
    A.ONBOARDING:         ". t c p p p r b o . ! !",
    A.WAITING:            ". t c p p p r b o . ! !",
    A.IN_TASK:            ". . c p p p r b o . ! !",
    A.COMPLETED:          ". . . p p p r b ! . ! !",
    A.DISCONNECT:         ". . ! ! ! ! ! ! ! . ! !",
    A.TIMEOUT:            ". . c p p p r b . . ! !",
    A.PARTNER_DISCONNECT: ". . c p p p r b ! . ! !",
    A.EXPIRED:            ". . ! ! ! ! ! ! ! . ! !",
    A.RETURNED:           ". . ! ! ! ! ! . ! . ! !",
    A.APPROVED:           ". . . . . . ! . . . ! !",
    A.SOFT_REJECTED:      ". . . . . . ! . . . ! !",
    A.REJECTED:           ". . . p p p . . . . ! !",
}  # fmt: skip
PAIRS = [
    (ours, word, cell)
    for ours, row in TABLE.items()
    for word, cell in zip(WORDS, row.split(), strict=True)
]  # fmt: skip


def shown(word):
    """A submission as the list of Prolific's shows it."""
    normal = mapping.word(word)
    return Observation(
        "s",
        "w",
        mapping.agent_status(normal),
        normal,
        transient=normal == mapping.PROCESSING,
        partial=normal in mapping.PARTIAL,
    )


def test_the_table_is_complete():
    assert set(TABLE) == {None, *A}
    assert len(PAIRS) == len(TABLE) * len(WORDS)


@pytest.mark.parametrize(("ours", "word", "cell"), PAIRS)
def test_what_a_word_means_for_a_status(ours, word, cell):
    changes = diff({} if ours is None else {"s": ours}, [shown(word)])
    became = [row.status for row in changes.new] + [move.new for move in changes.moves]
    assert became == ([MEANING[cell]] if cell in MEANING else [])
    assert bool(changes.strange) == (cell == "!")


@pytest.mark.parametrize("word", ["PARTIALLY APPROVED", "SCREENED OUT"])
def test_what_is_paid_in_part_is_over_and_proves_no_approval_of_ours(word):
    (move,) = diff({"s": A.COMPLETED}, [shown(word)]).moves
    assert (move.new, move.proves) == (A.APPROVED, False)


@pytest.mark.parametrize(("ours", "word"), list(product(A, ["UNKNOWN", "ON HOLD"])))
def test_a_word_that_says_nothing_is_named_to_a_person(ours, word):
    (strange,) = diff({"s": ours}, [shown(word)]).strange
    assert strange.finding is Finding.UNKNOWN_WORD
    assert word in strange.detail
