"""The diff between what we hold and what a vendor lists: never loses a change, never undoes a decision."""

import tracemalloc
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.discrepancy import Finding
from models.status import AGENT_MOVES, AGENT_SETTLED, AgentStatus
from providers.contract import Observation
from tasks.diff import PORTION, Changes, Move, Strange, diff, portions

A = AgentStatus


def _seen(submission="s", status=A.IN_TASK, **other):
    return Observation(submission_id=submission, worker_name="w", status=status, word=str(status), **other)


def test_a_submission_we_do_not_know_is_new():
    assert diff({}, [_seen()]).new == [_seen()]


def test_a_row_that_is_listed_twice_counts_once():
    assert len(diff({}, [_seen(), _seen(status=A.COMPLETED)]).new) == 1


def test_of_a_row_that_is_listed_twice_the_last_wins_also_if_it_says_what_we_hold():
    changes = diff({"s": A.IN_TASK}, [_seen(status=A.COMPLETED), _seen()])

    assert (changes.new, changes.moves, changes.strange) == ([], [], [])


def test_a_listing_where_nothing_moved_takes_no_memory_however_long_it_is():
    known = {str(number): A.IN_TASK for number in range(5000)}
    tracemalloc.start()
    diff(known, (_seen(submission) for submission in known))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 100_000


def test_changes_are_cut_into_portions_who_left_first_and_who_is_new_after_everybody():
    back, gone = (
        [Move(f"{new}{number}", A.IN_TASK, new) for number in range(PORTION)] for new in (A.COMPLETED, A.RETURNED)
    )
    new = [_seen(f"n{number}") for number in range(PORTION + 1)]
    strange = [Strange("s", Finding.VANISHED, "gone")]

    cut = list(portions(Changes(new=new, moves=[*back[:-1], *gone, back[-1]], strange=strange)))

    assert [move for portion in cut for move in portion.moves] == gone + back
    assert [row for portion in cut for row in portion.new] == new
    assert cut[-1] == Changes(strange=strange)
    assert max(len(portion.moves) + len(portion.new) for portion in cut) == PORTION
    assert [bool(portion.new) for portion in cut] == [False, False, True, True, False]


@pytest.mark.parametrize(("old", "new"), list(product(A, A)))
def test_every_pair_is_unchanged_moved_ignored_as_stale_or_reported(old, new):
    changes = diff({"s": old}, [_seen(status=new)])

    assert not changes.new
    if new in AGENT_MOVES[old]:
        assert [(move.old, move.new) for move in changes.moves] == [(old, new)]
    else:
        assert not changes.moves


@pytest.mark.parametrize("decided", [A.APPROVED, A.SOFT_REJECTED])
@pytest.mark.parametrize("stale", [A.ACCEPTED, A.IN_TASK, A.COMPLETED])
def test_a_stale_page_never_undoes_a_decision_and_is_no_discrepancy(decided, stale):
    changes = diff({"s": decided}, [_seen(status=stale)])

    assert (changes.moves, changes.strange) == ([], [])


def test_a_contradicting_decision_is_reported():
    (strange,) = diff({"s": A.APPROVED}, [_seen(status=A.REJECTED)]).strange

    assert strange.finding is Finding.ILLEGAL_STATUS


def test_an_approval_of_what_we_soft_rejected_is_as_it_should_be():
    assert not diff({"s": A.SOFT_REJECTED}, [_seen(status=A.APPROVED)]).strange


def test_a_late_completion_comes_back_from_a_time_out():
    (move,) = diff({"s": A.TIMEOUT}, [_seen(status=A.COMPLETED)]).moves

    assert move.new is A.COMPLETED


def test_an_unknown_word_changes_nothing_and_is_reported_unless_it_passes_by_itself():
    strange = diff({"s": A.IN_TASK}, [_seen(status=None)])
    passing = diff({"s": A.IN_TASK}, [_seen(status=None, transient=True)])

    assert (strange.moves, [row.finding for row in strange.strange]) == ([], [Finding.UNKNOWN_WORD])
    assert (passing.moves, passing.strange) == ([], [])


HELD = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(A))
ROWS = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(A)))


@given(HELD, ROWS)
def test_no_change_is_lost_and_no_decision_undone(known, rows):
    """Every row is written, reported, or older than what we hold; what was decided stays decided."""
    changes = diff(known, [_seen(submission, status) for submission, status in rows])
    new = {row.submission_id: row.status for row in changes.new}
    moved = {move.submission: move.new for move in changes.moves}
    told = {row.submission for row in changes.strange}

    for submission, status in dict(rows).items():
        old = known.get(submission)
        settled = old in AGENT_SETTLED - {A.REJECTED}
        if old is None:
            assert new[submission] is status
        elif submission in moved:
            assert moved[submission] is status in AGENT_MOVES[old]
            assert not settled
        elif submission not in told:
            assert status is old or status not in AGENT_MOVES[old]
    assert not moved.keys() & told
    assert not new.keys() & known.keys()


@given(HELD, ROWS)
def test_applying_a_diff_twice_is_applying_it_once(known, rows):
    seen = [_seen(submission, status) for submission, status in rows]
    changes = diff(known, seen)
    after = known | {row.submission_id: row.status for row in changes.new}
    after |= {move.submission: move.new for move in changes.moves}

    again = diff(after, seen)

    assert (again.new, again.moves) == ([], [])
