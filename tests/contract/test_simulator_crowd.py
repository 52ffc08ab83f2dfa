"""What the simulator promises about people who do not do what one would like, and about time running out."""

import pytest

from providers.prolific.simulator.habits import Habits

DAY = 86400


def words(api, study):
    """How many submissions have which status."""
    counts = api.ok("GET", f"studies/{study}/submissions/counts/")
    return {word: number for word, number in counts.items() if number and word != "TOTAL"}


def run(simulate, hours=3, **habits):
    """A study of 60 places and a crowd with these habits, some virtual hours later."""
    api = simulate(crowd=True, **habits)
    study = api.published(total_available_places=60, maximum_allowed_time=20)
    api.simulator.advance(hours * 3600)
    return api, study, words(api, study)


def test_a_place_that_nobody_starts_is_free_again_after_ten_minutes(api):
    study = api.published()
    submission = api.simulator.state.take_place(study)
    api.simulator.advance(599)
    assert (submission.status, api.simulator.state.studies[study].free) == ("RESERVED", 2)
    api.simulator.advance(2)
    assert (submission.status, api.simulator.state.studies[study].free) == ("TIMED-OUT", 3)


def test_who_started_has_the_maximum_time_and_no_more(api):
    study = api.published(maximum_allowed_time=20)
    slow, quick = (api.simulator.state.take_place(study).id for _ in range(2))
    for one in (slow, quick):
        api.simulator.state.start(one)
    api.simulator.advance(20 * 60 - 1)
    api.simulator.state.finish(quick)
    api.simulator.advance(2)
    assert words(api, study) == {"AWAITING REVIEW": 1, "TIMED-OUT": 1}


def test_what_awaits_review_is_approved_by_itself_after_21_days_and_no_call_did_it(api):
    study = api.published()
    api.finished(study)
    api.simulator.advance(21 * DAY - 60)
    assert words(api, study) == {"AWAITING REVIEW": 1}
    api.simulator.advance(120)
    assert words(api, study) == {"APPROVED": 1}
    assert api.effects() == ["study_created", "study_published"]


@pytest.mark.parametrize(
    ("habit", "word"), [("no_shows", "TIMED-OUT"), ("returns", "RETURNED"), ("time_outs", "TIMED-OUT")]
)
def test_a_share_of_the_crowd_never_finishes_and_others_take_its_places(simulate, habit, word):
    _api, _study, seen = run(simulate, **{habit: 0.3})
    assert seen["AWAITING REVIEW"] == 60
    assert 10 < seen[word] < 50  # 60 finishers at 70 % come with about 26 others.


def test_a_share_of_the_crowd_finishes_after_its_time_was_up(simulate):
    api, study, seen = run(simulate, late=0.3)
    assert seen["AWAITING REVIEW"] > 60
    rows = api.simulator.state.studies[study].submissions
    late = [row for row in rows if (row.completed - row.started).total_seconds() > 20 * 60]
    assert 10 < len(late) < 50


def test_a_share_of_the_crowd_hands_in_a_code_that_is_not_the_studys(simulate):
    api, study, seen = run(simulate, wrong_codes=0.3)
    assert seen == {"AWAITING REVIEW": 60}
    codes = [row.code for row in api.simulator.state.studies[study].submissions]
    assert set(codes) == {"C0DE", "NOCODE"}
    assert 8 < codes.count("NOCODE") < 30


def test_who_hands_in_a_wrong_code_gets_nothing_that_the_right_one_promises(api):
    codes = [{"code": "C0DE", "code_type": "COMPLETED", "actions": [{"action": "AUTOMATICALLY_APPROVE"}]}]
    codes.append({"code": "OURS", "code_type": "OTHER", "actor": "researcher", "actions": codes[0]["actions"]})
    study = api.published(completion_codes=codes)
    for code in ("C0DE", "NOCODE", "OURS"):
        api.simulator.state.finish(api.simulator.state.take_place(study).id, code)
    assert words(api, study) == {"APPROVED": 1, "AWAITING REVIEW": 2}


def test_a_share_is_decided_by_hand_and_no_call_did_it(simulate):
    api, _study, seen = run(simulate, hand_approvals=0.4, hand_rejections=0.1)
    assert seen["AWAITING REVIEW"] + seen["APPROVED"] == 60
    assert 12 < seen["APPROVED"] < 36
    assert 0 < seen["REJECTED"] < 20
    assert api.effects() == ["study_created", "study_published"]
    shown = api.client.get(f"{api.simulator.url}/simulator/state").json()
    assert shown["by_hand"] == {word: seen[word] for word in ("APPROVED", "REJECTED")}
    assert shown["crowd"]["habits"] == {"hand_approvals": 0.4, "hand_rejections": 0.1}


def test_who_decides_by_hand_comes_too_late_when_a_call_was_faster(simulate):
    api = simulate(hand_rejections=1.0)
    (submission,) = api.finished(api.published())
    api.ok("POST", f"submissions/{submission}/transition/", {"action": "APPROVE"})
    api.simulator.advance(600)
    assert api.simulator.state.submissions[submission].status == "APPROVED"
    assert api.simulator.reviewer.decided == {}


@pytest.mark.parametrize(("share", "word"), [(0.0, "AWAITING REVIEW"), (1.0, "RETURNED")])
def test_who_is_asked_to_return_does_as_the_share_says(simulate, share, word):
    api = simulate(heeds=share)
    study = api.published()
    (submission,) = api.finished(study)
    api.ok("POST", f"submissions/{submission}/request-return/", {"request_return_reasons": ["Withdrew consent."]})
    api.simulator.advance(900)
    assert words(api, study) == {word: 1}
    assert "submission_returned" not in api.effects()


def test_a_share_of_the_crowd_comes_again_where_a_study_allows_it(simulate):
    api = simulate(crowd=True, repeats=0.5)
    once = api.published(total_available_places=20)
    often = api.published(total_available_places=20, submissions_config={"max_submissions_per_participant": 3})
    api.simulator.advance(3600)
    people = {study: api.simulator.state.studies[study].participants for study in (once, often)}
    assert max(people[once].values()) == 1
    assert 1 < max(people[often].values()) <= 3


def test_somebody_can_be_sent_who_then_lives_on(api):
    study = api.published()
    submission = api.simulator.crowd.send(study, "a" * 24)
    assert (submission.status, submission.participant) == ("RESERVED", "a" * 24)
    api.simulator.advance(20)
    assert submission.status == "ACTIVE"
    api.simulator.advance(300)
    assert submission.status == "AWAITING REVIEW"


@pytest.mark.parametrize(
    "shares", [{"late": -0.1}, {"late": 1.1}, {"late": 0.6, "returns": 0.6}, {"hand_approvals": 2}]
)
def test_shares_that_make_no_sense_are_refused(shares):
    with pytest.raises(ValueError, match="Shares"):
        Habits(**shares)
