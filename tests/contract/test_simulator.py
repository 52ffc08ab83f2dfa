"""What the simulator promises about studies, places and money; every exchange is held against Prolific's document."""

import httpx
import pytest

UNIT = 42  # A reward of 30, a fee of a third, and VAT of a fifth of the fee.


def balance(api):
    return api.ok("GET", f"workspaces/{api.simulator.state.workspace}/balance/")


def available(api):
    return balance(api)["available_balance"]


def transition(api, study, action):
    return api.call("POST", f"studies/{study}/transition/", {"action": action})


def places(api, study, number):
    return api.call("PATCH", f"studies/{study}/", {"total_available_places": number})


def test_the_token_tells_whose_account_it_is(api):
    assert api.ok("GET", "users/me/")["id"] == api.simulator.state.user


@pytest.mark.parametrize("header", ["Token wrong", "Bearer test-token", ""])
def test_a_wrong_token_is_refused_and_nothing_happens(api, header):
    answer = api.client.post("studies/", json=api.DRAFT, headers={"Authorization": header})
    assert answer.status_code == 401
    assert api.effects() == []


def test_a_draft_has_an_id_of_24_hex_digits_and_reserves_nothing(api):
    study = api.ok("POST", "studies/", api.DRAFT)
    assert len(study["id"]) == 24
    assert int(study["id"], 16)
    assert study["status"] == "UNPUBLISHED"
    assert study["project"] == api.simulator.state.project
    assert available(api) == 1_000_000


def test_the_same_draft_twice_is_two_drafts(api):
    assert api.draft() != api.draft()
    assert api.effects() == ["study_created", "study_created"]


def test_every_missing_or_wrong_field_of_a_draft_is_named(api):
    answer = api.call("POST", "studies/", {"name": "", "reward": 1.5, "project": "other"})
    assert answer.status_code == 400
    detail = answer.json()["detail"]  # Bare: the document says ErrorDetail here.
    assert {"name", "reward", "project", "description", "total_available_places"} <= detail.keys()
    assert api.effects() == []


def test_publishing_reserves_the_cost_and_takes_a_moment(api):
    study = api.draft()
    assert transition(api, study, "PUBLISH").json()["status"] == "PUBLISHING"
    assert available(api) == 1_000_000 - 3 * UNIT
    assert balance(api)["total_balance"] == 1_000_000
    api.simulator.advance(3)
    assert api.status(study) == "ACTIVE"


def test_publishing_without_funds_is_refused_with_a_clear_error(simulate):
    api = simulate(balance=3 * UNIT - 1)
    study = api.draft()
    answer = transition(api, study, "PUBLISH")
    assert answer.status_code == 400
    assert "Insufficient funds" in answer.json()["error"]["detail"]  # Nested: the document says Error here.
    assert api.status(study) == "UNPUBLISHED"
    assert api.effects() == ["study_created"]


def test_publishing_twice_is_refused_and_reserves_once(api):
    study = api.published()
    assert transition(api, study, "PUBLISH").status_code == 400
    assert available(api) == 1_000_000 - 3 * UNIT
    assert api.effects().count("study_published") == 1


def test_raising_places_reserves_the_difference(api):
    study = api.published()
    assert places(api, study, 5).json()["total_available_places"] == 5
    assert available(api) == 1_000_000 - 5 * UNIT
    effect = api.simulator.state.ledger[-1]
    assert (effect.kind, effect.places, effect.amount_minor) == ("places_set", 5, 2 * UNIT)


def test_setting_the_places_that_are_there_is_no_effect(api):
    study = api.published()
    assert places(api, study, 3).status_code == 200
    assert "places_set" not in api.effects()


def test_places_never_go_down_once_published(api):
    draft, study = api.draft(), api.published()
    assert places(api, draft, 2).status_code == 200
    answer = places(api, study, 2)
    assert answer.status_code == 400
    assert "total_available_places" in answer.json()["error"]["detail"]
    assert api.ok("GET", f"studies/{study}/")["total_available_places"] == 3


def test_raising_places_without_funds_is_refused(simulate):
    api = simulate(balance=4 * UNIT)
    study = api.published()
    assert places(api, study, 5).status_code == 400
    assert places(api, study, 4).status_code == 200


def test_a_published_study_changes_only_where_the_document_allows_it(api):
    study = api.published()
    assert api.call("PATCH", f"studies/{study}/", {"reward": 31, "name": "Other"}).status_code == 400
    config = {"auto_rejection_categories": ["EXCEPTIONALLY_FAST"]}
    changed = api.ok("PATCH", f"studies/{study}/", {"internal_name": "new", "submissions_config": config})
    assert (changed["internal_name"], changed["reward"]) == ("new", 30)
    assert changed["submissions_config"] == config | {
        "max_submissions_per_participant": 1,
        "max_concurrent_submissions": -1,
    }
    assert api.effects()[-1] == "study_changed"


def test_a_draft_changes_everywhere(api):
    study = api.draft()
    assert api.ok("PATCH", f"studies/{study}/", {"reward": 31, "name": "Other"})["reward"] == 31


def test_access_details_add_a_task_and_its_places(api):
    study = api.published()
    task = {"external_url": "https://example.com/b", "total_allocation": 4}
    changed = api.ok("PATCH", f"studies/{study}/", {"access_details": [task]})
    assert changed["total_available_places"] == 7
    changed = api.ok("PATCH", f"studies/{study}/", {"access_details": [task]})
    assert changed["access_details"] == [task | {"total_allocation": 8}]
    assert changed["total_available_places"] == 11


def test_only_drafts_can_be_deleted(api):
    draft, study = api.draft(), api.published()
    assert api.call("DELETE", f"studies/{study}/").status_code == 400
    assert api.call("DELETE", f"studies/{draft}/").status_code == 200
    assert api.call("GET", f"studies/{draft}/").status_code == 404
    assert api.status(study) == "ACTIVE"


def test_a_study_can_be_paused_started_and_stopped(api):
    study = api.published()
    assert transition(api, study, "START").status_code == 400
    assert transition(api, study, "PAUSE").json()["status"] == "PAUSED"
    with pytest.raises(ValueError, match="PAUSED"):
        api.simulator.state.take_place(study)
    assert transition(api, study, "START").json()["status"] == "ACTIVE"
    assert transition(api, study, "STOP").json()["status"] == "COMPLETED"
    assert available(api) == 1_000_000
    assert transition(api, study, "STOP").status_code == 400
    assert transition(api, study, "DANCE").status_code == 400
    assert api.effects()[2:] == ["study_paused", "study_resumed", "study_stopped"]


def test_who_works_when_a_study_is_stopped_may_finish(api):
    study = api.published()
    submission = api.simulator.state.take_place(study)
    assert transition(api, study, "STOP").json()["status"] == "AWAITING REVIEW"
    assert available(api) == 1_000_000 - UNIT
    api.simulator.state.finish(submission.id)
    assert submission.status == "AWAITING REVIEW"


def test_raising_places_opens_a_stopped_study_again(api):
    study = api.published()
    transition(api, study, "STOP")
    assert places(api, study, 3).json()["status"] == "COMPLETED"
    assert places(api, study, 4).json()["status"] == "ACTIVE"
    assert available(api) == 1_000_000 - 4 * UNIT


def test_a_study_awaits_review_when_it_is_full_and_nobody_works_and_is_completed_when_all_is_judged(api):
    study = api.published()
    first, second = api.finished(study, 2)
    third = api.simulator.state.take_place(study).id
    assert api.status(study) == "ACTIVE"
    api.simulator.state.finish(third)
    assert api.status(study) == "AWAITING REVIEW"
    for submission in (first, second, third):
        api.ok("POST", f"submissions/{submission}/transition/", {"action": "APPROVE"})
    assert api.status(study) == "COMPLETED"
    assert balance(api)["total_balance"] == available(api) == 1_000_000 - 3 * UNIT


@pytest.mark.parametrize("word", ["RETURNED", "TIMED-OUT", "REJECTED"])
def test_a_place_is_freed_only_while_the_study_is_live(api, word):
    study = api.published()
    first, second = api.finished(study, 2)
    api.simulator.state.set_status(first, word)
    api.finished(study, 2)
    assert api.status(study) == "AWAITING REVIEW"
    api.simulator.state.set_status(second, word)
    assert api.status(study) == "AWAITING REVIEW"
    places(api, study, 4)
    api.finished(study)
    assert api.status(study) == "AWAITING REVIEW"


def test_places_taken_leaves_out_the_reserved_the_returned_and_the_timed_out(api):
    study = api.published(total_available_places=9)
    for status in ("RESERVED", "ACTIVE", "APPROVED", "REJECTED", "RETURNED", "TIMED-OUT"):
        api.simulator.state.set_status(api.simulator.state.take_place(study).id, status)
    shown = api.ok("GET", f"studies/{study}/")
    assert (shown["places_taken"], shown["number_of_submissions"]) == (3, 6)


def test_studies_are_listed_by_state_and_by_project(api):
    draft, study = api.draft(), api.published()
    listed = api.ok("GET", "studies/", state="ACTIVE")
    assert [row["id"] for row in listed["results"]] == [study]
    assert len(api.ok("GET", "studies/")["results"]) == 2
    project = f"projects/{api.simulator.state.project}/studies/"
    page = api.ok("GET", project, page=2, page_size=1)
    assert [row["id"] for row in page["results"]] == [study]
    assert page["_links"]["next"]["href"] is None
    assert page["meta"]["count"] == 2
    newest = api.ok("GET", project, ordering="-date_created")
    assert [row["id"] for row in newest["results"]] == [study, draft]
    assert api.call("GET", project, page=3, page_size=1).status_code == 404
    assert api.call("GET", "projects/none/studies/").status_code == 404


def test_costs_are_quoted_with_fee_and_vat(api):
    quote = api.ok("POST", "study-cost-calculator/", {"reward": 100, "total_available_places": 5})
    assert quote == {"total_cost": 700}
    assert api.call("POST", "study-cost-calculator/", {"reward": "x"}).status_code == 400
    study = api.published()
    projected = api.ok("GET", f"studies/{study}/cost/", is_projected="true")["rewards"]
    assert {name: part["amount"] for name, part in projected.items()} == {"rewards": 90, "fees": 30, "tax": 6}
    assert api.ok("GET", f"studies/{study}/cost/")["rewards"]["rewards"]["amount"] == 0


def test_unknown_things_are_404_in_the_shape_of_their_endpoint(api):
    assert "error" in api.call("GET", "studies/none/").json()
    assert "detail" in api.call("GET", "studies/none/submissions/counts/").json()
    assert api.call("GET", "workspaces/none/balance/").status_code == 404
    assert api.call("GET", "nothing/").status_code == 404
    assert api.call("PUT", "studies/").status_code == 405


def test_a_body_that_is_no_json_object_is_400(api):
    answer = api.client.post("studies/", content=b"[1", headers={"Content-Type": "application/json"})
    assert answer.status_code == httpx.codes.BAD_REQUEST
