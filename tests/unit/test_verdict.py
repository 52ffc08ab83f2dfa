"""The outcome table: every outcome of a send and of a read, for every repeat class."""

from dataclasses import replace
from itertools import product

import pytest

from models.attempt import AttemptOutcome
from models.operation import MOVES, State
from models.settings import Timing
from providers.contract import Absent, Accepted, Done, Kind, Repeat
from providers.errors import AccountError, NotSentError, RejectedError, ThrottledError, UnknownError, harmless
from tasks.verdict import (
    History,
    StalledError,
    after_read,
    after_send,
    back_off,
    label,
    read_pause,
    resend_unread,
    summary,
)

TIMING = Timing()
KINDS = {
    "absorbing": Kind("approve", Repeat.ABSORBING),
    "keyed": Kind("launch", Repeat.KEYED, window=3600),
    "conclusive": Kind("draft", Repeat.READ_BACK, resend_when_absent=True),
    "inconclusive": Kind("bonus", Repeat.READ_BACK),
}
OUTCOMES = {
    "done": Done(),
    "accepted": Accepted(),
    "absent": Absent(),
    "throttled": ThrottledError("slow down", retry_after=7),
    "account": AccountError("bad token"),
    "not sent": NotSentError("refused connection"),
    "stalled": StalledError("too slow"),
    "rejected": RejectedError("no"),
    "unknown": UnknownError("timeout"),
}
C, S, P, U, R = State.CONFIRMED, State.SUBMITTED, State.PLANNED, State.UNKNOWN, State.REJECTED
#: Rows: outcome. Columns: absorbing, keyed, conclusive, inconclusive; a request with one member.
SEND = {
    "done": (C, C, C, C),
    "accepted": (S, S, S, S),
    "absent": (U, U, U, U),
    "throttled": (P, P, U, U),
    "account": (P, P, P, P),
    "not sent": (P, P, P, P),
    "stalled": (P, P, P, P),
    "rejected": (U, R, R, R),
    "unknown": (U, U, U, U),
}
PAST = History(
    state=U, refused=False, said=None, throttled=False, batched=False, since_send=5, since_first_send=5, reads=1,
    tried_for=5,
)  # fmt: skip
SETTLED = replace(PAST, since_send=TIMING.settle + 1)


def _send(kind, outcome, *, batched=False, tried_for=0):
    return after_send(KINDS[kind], OUTCOMES[outcome], batched=batched, tried_for=tried_for, timing=TIMING)


def _read(kind, outcome, history=PAST):
    return after_read(KINDS[kind], OUTCOMES[outcome], history, TIMING)


@pytest.mark.parametrize(("outcome", "kind"), list(product(SEND, KINDS)))
def test_what_a_send_makes_of_an_operation(outcome, kind):
    assert _send(kind, outcome).state is SEND[outcome][list(KINDS).index(kind)]


@pytest.mark.parametrize(("outcome", "kind", "batched"), list(product(OUTCOMES, KINDS, [False, True])))
def test_a_send_leads_to_legal_states_only(outcome, kind, batched):
    assert _send(kind, outcome, batched=batched).state in MOVES[State.SENDING]


@pytest.mark.parametrize("kind", KINDS)
def test_a_refused_batch_proves_nothing_about_its_members(kind):
    assert _send(kind, "rejected", batched=True).state is U


@pytest.mark.parametrize("outcome", ["throttled", "account", "stalled", "not sent"])
def test_what_was_proven_not_to_happen_burns_no_attempt(outcome):
    assert not _send("absorbing", outcome).burns
    assert _send("absorbing", "unknown").burns


def test_the_vendor_says_how_long_to_wait():
    assert _send("absorbing", "throttled").wait == 7


def test_a_silence_is_never_a_no():
    for kind, batched in product(KINDS, [False, True]):
        assert _send(kind, "unknown", batched=batched).state is U
        assert _read(kind, "unknown").state is U


@pytest.mark.parametrize(("kind", "state"), list(product(KINDS, [U, S])))
def test_evidence_confirms_and_a_read_refusal_rejects(kind, state):
    history = replace(PAST, state=state)

    assert _read(kind, "done", history).state is C
    assert _read(kind, "rejected", history).state is R


@pytest.mark.parametrize(("outcome", "kind", "state"), list(product(OUTCOMES, KINDS, [U, S])))
def test_a_read_leads_to_legal_states_only(outcome, kind, state):
    for history in (PAST, SETTLED, replace(PAST, refused=True), replace(PAST, since_send=TIMING.age_limit + 1)):
        new = _read(kind, outcome, replace(history, state=state)).state
        assert new is state or new in MOVES[state]


def test_an_absorbing_effect_that_is_absent_is_sent_again_after_pauses_that_grow():
    waits = [_read("absorbing", "absent", replace(PAST, tried_for=seconds)) for seconds in (0, 5, 60)]

    assert [(found.state, found.wait) for found in waits] == [(P, TIMING.back_off), (P, 5), (P, 60)]


def test_an_accepted_effect_is_given_time_to_show():
    early = replace(PAST, state=S)

    assert _read("absorbing", "absent", early).state is S
    assert _read("absorbing", "absent", replace(early, since_send=TIMING.lease + 1)).state is P


def test_a_conclusive_absence_is_believed_after_the_settle_time_only():
    for kind in ("keyed", "conclusive"):
        assert _read(kind, "absent", replace(PAST, since_send=TIMING.settle - 1)).state is U
    assert _read("conclusive", "absent", SETTLED).state is P


def test_an_effect_that_adds_is_never_sent_again_on_absence_unless_its_vendor_declares_that_it_proves_something():
    assert not Kind("bonus", Repeat.READ_BACK).resend_when_absent
    assert _read("inconclusive", "absent", SETTLED).state is State.REVIEW


def test_a_throttled_request_that_had_no_effect_burns_no_attempt():
    assert not _read("conclusive", "absent", replace(SETTLED, throttled=True)).burns
    assert _read("conclusive", "absent", SETTLED).burns


def test_an_inconclusive_absence_goes_to_a_person_after_the_settle_time_and_is_never_sent_again():
    assert _read("inconclusive", "absent", replace(PAST, since_send=TIMING.settle - 1)).state is U
    assert _read("inconclusive", "absent", SETTLED).state is State.REVIEW


def test_a_refusal_stands_when_a_read_shows_no_effect():
    refused = replace(PAST, refused=True, said="already rejected")

    found = _read("absorbing", "absent", refused)

    assert found.state is R
    assert "already rejected" in (found.reason or "")


def test_members_of_a_refused_batch_are_sent_again_alone():
    found = _read("absorbing", "absent", replace(PAST, refused=True, batched=True))

    assert (found.state, found.alone) == (P, True)


def test_members_of_a_refused_batch_that_add_are_sent_again_only_when_their_absence_is_settled_and_proves_something():
    refused = replace(PAST, refused=True, batched=True)
    settled = replace(SETTLED, refused=True, batched=True)

    assert _read("conclusive", "absent", refused).state is U
    again = _read("conclusive", "absent", settled)
    assert (again.state, again.alone) == (P, True)
    assert _read("inconclusive", "absent", refused).state is U
    assert _read("inconclusive", "absent", settled).state is State.REVIEW


def test_a_token_is_trusted_inside_its_window_only():
    keyed = KINDS["keyed"]

    assert resend_unread(keyed, PAST)
    assert not resend_unread(keyed, replace(PAST, since_first_send=3601))
    assert not resend_unread(keyed, replace(PAST, refused=True))
    assert not resend_unread(KINDS["inconclusive"], PAST)


@pytest.mark.parametrize(("kind", "outcome"), list(product(KINDS, ["unknown", "throttled", "not sent", "account"])))
def test_doubt_that_lasts_too_long_goes_to_a_person(kind, outcome):
    old = replace(PAST, since_send=TIMING.age_limit + 1)

    assert _read(kind, outcome, old).state is State.REVIEW


def test_pauses_double_up_to_the_longest():
    tried_for, pauses = 0, []
    for _ in range(12):
        pauses.append(back_off(TIMING, tried_for))
        tried_for += pauses[-1]

    assert pauses[:5] == [2, 2, 4, 8, 16]
    assert pauses[-1] == TIMING.back_off_max


def test_pauses_between_reads_double_up_to_the_longest():
    assert [read_pause(TIMING, reads) for reads in range(3)] == [10, 20, 40]
    assert read_pause(TIMING, 10_000) == TIMING.back_off_max


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ("done", "done"), ("accepted", "accepted"), ("absent", "unknown"), ("throttled", "throttled"),
        ("account", "account"), ("not sent", "not_sent"), ("stalled", "not_sent"), ("rejected", "rejected"),
        ("unknown", "unknown"),
    ],
)  # fmt: skip
def test_an_attempt_is_closed_with_what_came_of_it(outcome, expected):
    assert label(OUTCOMES[outcome]) == expected


def test_a_batch_that_ended_differently_is_mixed():
    assert summary({AttemptOutcome.DONE}) is AttemptOutcome.DONE
    assert summary({AttemptOutcome.DONE, AttemptOutcome.UNKNOWN}) is AttemptOutcome.MIXED


@pytest.mark.parametrize(
    ("error", "batched", "state", "alone"),
    [
        (ThrottledError("slow down", 7), True, P, False),
        (AccountError("no funds"), True, P, False),
        (NotSentError("no connection"), True, P, False),
        (UnknownError("no answer"), True, P, False),
        (RejectedError("who is that?"), True, P, True),
        (RejectedError("who is that?"), False, State.REJECTED, False),
    ],
)
def test_what_goes_wrong_before_the_effect_is_sent_again_and_leaves_no_doubt(error, batched, state, alone):
    decided = after_send(KINDS["inconclusive"], harmless(error), batched=batched, tried_for=0, timing=TIMING)
    assert (decided.state, decided.alone) == (state, alone)
    assert decided.untouched is (state is P)
    assert decided.burns is (state is not P)
