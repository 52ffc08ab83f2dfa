"""The states of an operation: one table says which moves are legal, and the finals have none."""

from models.operation import FINAL, IN_DOUBT, MOVES, State


def test_every_state_has_a_row():
    assert set(MOVES) == set(State)


def test_final_is_final():
    assert {"confirmed", "rejected", "cancelled"} == FINAL
    assert all(not MOVES[state] for state in FINAL)


def test_every_open_state_can_still_be_confirmed_by_late_evidence():
    assert all(State.CONFIRMED in MOVES[state] for state in set(State) - FINAL)


def test_only_what_is_planned_can_be_sent_or_cancelled():
    assert [state for state in State if State.SENDING in MOVES[state]] == [State.PLANNED]
    assert [state for state in State if State.CANCELLED in MOVES[state]] == [State.PLANNED]


def test_what_may_have_been_sent_never_goes_straight_back_to_sending():
    assert all(State.SENDING not in MOVES[state] for state in IN_DOUBT | {State.SENDING, State.REVIEW})
