"""The diff between what we hold and what a vendor lists: never loses a change, never undoes a decision."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.discrepancy import Finding
from models.status import AGENT_MOVES, AgentStatus
from providers.contract import Observation
from tasks.diff import diff

A = AgentStatus


def _seen(submission="s", status=A.IN_TASK, **other):
    return Observation(submission_id=submission, worker_name="w", status=status, word=str(status), **other)


def test_a_submission_we_do_not_know_is_new():
    assert diff({}, [_seen()]).new == [_seen()]


def test_a_row_that_is_listed_twice_counts_once():
    assert len(diff({}, [_seen(), _seen(status=A.COMPLETED)]).new) == 1


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


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(A)),
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(A))),
)
def test_applying_a_diff_twice_is_applying_it_once(known, rows):
    seen = [_seen(submission, status) for submission, status in rows]
    changes = diff(known, seen)
    after = known | {row.submission_id: row.status for row in changes.new}
    after |= {move.submission: move.new for move in changes.moves}

    again = diff(after, seen)

    assert (again.new, again.moves) == ([], [])
