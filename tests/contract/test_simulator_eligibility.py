"""What the simulator promises about who may take a place in a study."""

from itertools import pairwise

import pytest

ANNA, BELA, CLEO = "a" * 24, "b" * 24, "c" * 24


def group(api, *people):
    wish = {"workspace_id": api.simulator.state.workspace, "name": "Some", "participant_ids": list(people)}
    return api.ok("POST", "participant-groups/", wish)["id"]


def only(*groups):
    return {"filter_id": "participant_group_allowlist", "selected_values": list(groups)}


def without(*groups):
    return {"filter_id": "participant_group_blocklist", "selected_values": list(groups)}


def newcomers(*studies):
    return {"filter_id": "previous_studies_blocklist", "selected_values": list(studies)}


def may(api, study, participant):
    """Whether somebody gets a place, which is given back at once."""
    try:
        submission = api.simulator.state.take_place(study, participant)
    except ValueError:
        return False
    api.simulator.state.set_status(submission.id, "RETURNED")
    return True


def crowd(api, study):
    return [row.participant for row in api.simulator.state.studies[study].submissions]


def test_who_is_on_a_blocklist_gets_no_place(api):
    study = api.published(filters=[without(group(api, ANNA), group(api, BELA))])
    assert [may(api, study, one) for one in (ANNA, BELA, CLEO)] == [False, False, True]
    with pytest.raises(ValueError, match=f"{ANNA}, who is in a group of its participant_group_blocklist"):
        api.simulator.state.take_place(study, ANNA)


def test_who_is_in_one_of_the_groups_of_an_allowlist_gets_a_place_and_two_filters_must_both_be_met(api):
    first, second = group(api, ANNA, BELA), group(api, BELA, CLEO)
    either = api.published(filters=[only(first, second)])
    both = api.published(filters=[only(first), only(second)])
    assert [may(api, either, one) for one in (ANNA, BELA, CLEO, "d" * 24)] == [True, True, True, False]
    assert [may(api, both, one) for one in (ANNA, BELA, CLEO)] == [False, True, False]


def test_a_change_of_a_group_acts_on_a_published_study_at_once(api):
    blocked = group(api)
    study = api.published(filters=[without(blocked)], submissions_config={"max_submissions_per_participant": -1})
    path, ids = f"participant-groups/{blocked}/participants/", {"participant_ids": [ANNA]}
    assert may(api, study, ANNA)
    api.ok("POST", path, ids)
    assert not may(api, study, ANNA)
    api.ok("DELETE", path, ids)
    assert may(api, study, ANNA)


@pytest.mark.parametrize(("limit", "times"), [(None, 1), (1, 1), (2, 2), (-1, 3)])
def test_a_participant_has_as_many_submissions_as_the_study_allows(api, limit, times):
    study = api.published(submissions_config={"max_submissions_per_participant": limit})
    for _ in range(times):
        api.simulator.state.take_place(study, ANNA)
    with pytest.raises(ValueError, match=r"submissions in it already|none to take"):
        api.simulator.state.take_place(study, ANNA)
    siblings = [row["has_siblings"] for row in api.ok("GET", "submissions/", study=study)["results"]]
    assert siblings == [times > 1] * times


def test_as_many_are_at_work_at_once_as_the_study_allows(api):
    study = api.published(submissions_config={"max_concurrent_submissions": 1})
    first = api.simulator.state.take_place(study)
    with pytest.raises(ValueError, match="none to take"):
        api.simulator.state.take_place(study)
    api.simulator.state.finish(first.id)
    assert api.simulator.state.take_place(study).participant != first.participant


def test_the_crowd_passes_over_the_blocked_and_fills_the_study_with_others(simulate):
    free = simulate(crowd=True)
    study = free.published()
    free.simulator.advance(900)
    first, second, third = crowd(free, study)
    api = simulate(crowd=True)
    study = api.published(filters=[without(group(api, second))])
    api.simulator.advance(900)
    assert api.status(study) == "AWAITING REVIEW"
    assert crowd(api, study)[:2] == [first, third]
    assert second not in crowd(api, study)


def test_the_crowd_of_an_allowlist_is_its_members_and_who_is_added_comes_at_once(simulate):
    api = simulate(crowd=True)
    allowed = group(api, ANNA)
    study = api.published(filters=[only(allowed)])
    api.simulator.advance(900)
    assert crowd(api, study) == [ANNA]
    with pytest.raises(ValueError, match="nobody is left"):
        api.simulator.state.take_place(study)
    api.ok("POST", f"participant-groups/{allowed}/participants/", {"participant_ids": [BELA, CLEO]})
    api.simulator.advance(900)
    assert crowd(api, study) == [ANNA, BELA, CLEO]


def test_the_crowd_fills_a_study_one_by_one_if_only_one_may_work_at_once(simulate):
    api = simulate(crowd=True)
    study = api.published(submissions_config={"max_concurrent_submissions": 1})
    api.simulator.advance(1800)
    rows = api.simulator.state.studies[study].submissions
    assert api.status(study) == "AWAITING REVIEW"
    assert [row.completed < later.started for row, later in pairwise(rows)] == [True, True]


def test_who_took_a_place_in_an_earlier_study_gets_none_whatever_came_of_that(api):
    first, second = api.published(), api.published()
    state = api.simulator.state
    for study, participant, status in ((first, ANNA, "RETURNED"), (second, BELA, "TIMED-OUT")):
        state.set_status(state.take_place(study, participant).id, status)
    later = api.published(filters=[newcomers(first, second)])
    assert [may(api, later, one) for one in (ANNA, BELA, CLEO)] == [False, False, True]
    with pytest.raises(ValueError, match=f"{ANNA}, who took part in a study of its previous_studies_blocklist"):
        state.take_place(later, ANNA)


def test_the_crowd_of_a_study_for_newcomers_had_no_part_in_the_study_before(simulate):
    api = simulate(crowd=True)
    first = api.published()
    api.simulator.advance(900)
    later = api.published(filters=[newcomers(first)])
    api.simulator.advance(900)
    assert api.status(later) == "AWAITING REVIEW"
    assert not set(crowd(api, first)) & set(crowd(api, later))


@pytest.mark.parametrize(
    "fields",
    [
        {"filters": [only("none")]},
        {"filters": [newcomers("none")]},
        {"filters": [{"filter_id": "age"}]},
        {"filters": ["age"]},
        {"submissions_config": {"max_submissions_per_participant": 0}},
    ],
)
def test_a_filter_or_a_limit_that_makes_no_sense_is_refused(api, fields):
    answer = api.call("POST", "studies/", api.DRAFT | fields)
    assert answer.status_code == 400
    assert answer.json()["detail"].keys() == fields.keys()


def test_other_filters_let_everybody_in(api):
    study = api.published(filters=[{"filter_id": "age", "selected_range": {"lower": 18, "upper": 30}}])
    assert may(api, study, ANNA)
