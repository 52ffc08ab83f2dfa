"""What the simulator promises about participant groups and messages."""

from datetime import timedelta

import pytest

ANNA, BELA, CLEO = "a" * 24, "b" * 24, "c" * 24


@pytest.fixture
def group(api):
    """The id of a group with Anna in it."""
    wish = {"workspace_id": api.simulator.state.workspace, "name": "Careful", "participant_ids": [ANNA]}
    return api.ok("POST", "participant-groups/", wish)["id"]


def people(api, group):
    return [row["participant_id"] for row in api.ok("GET", f"participant-groups/{group}/participants/")["results"]]


def newest(api):
    """The newest effect: what it was, and on whom."""
    effect = api.simulator.state.ledger[-1]
    return effect.kind, effect.group, effect.participants


def test_a_group_is_made_with_its_first_members_and_can_be_found(api, group):
    shown = api.ok("GET", f"participant-groups/{group}/")
    assert (shown["name"], shown["participant_count"], shown["is_deleted"]) == ("Careful", 1, False)
    assert api.effects() == ["group_created", "participants_added"]
    assert newest(api) == ("participants_added", group, (ANNA,))
    for query in ({"workspace_id": api.simulator.state.workspace}, {"project_id": api.simulator.state.project}):
        assert [row["id"] for row in api.ok("GET", "participant-groups/", **query)["results"]] == [group]


def test_a_member_added_again_and_a_stranger_removed_are_ignored(api, group):
    path = f"participant-groups/{group}/participants/"
    assert len(api.ok("POST", path, {"participant_ids": [ANNA, BELA]})["results"]) == 2
    assert newest(api) == ("participants_added", group, (BELA,))
    api.ok("POST", path, {"participant_ids": [ANNA, BELA]})
    assert len(api.ok("DELETE", path, {"participant_ids": [ANNA, CLEO]})["results"]) == 1
    assert newest(api) == ("participants_removed", group, (ANNA,))
    api.ok("DELETE", path, {"participant_ids": [ANNA, CLEO]})
    assert people(api, group) == [BELA]
    assert api.effects() == ["group_created", "participants_added", "participants_added", "participants_removed"]


def test_a_change_of_members_overwrites_them_and_each_difference_is_an_effect(api, group):
    path = f"participant-groups/{group}/"
    changed = api.ok("PATCH", path, {"name": "Very careful", "participant_ids": [BELA, CLEO]})
    assert (changed["name"], changed["participant_count"]) == ("Very careful", 2)
    assert api.effects()[2:] == ["group_changed", "participants_added", "participants_removed"]
    api.ok("PATCH", path, {"name": "Very careful", "participant_ids": [BELA, CLEO]})
    assert len(api.effects()) == 5


def test_a_deleted_group_is_marked_and_no_longer_changed(api, group):
    path = f"participant-groups/{group}/"
    assert [api.call("DELETE", path).status_code for _ in range(2)] == [204, 204]
    assert api.ok("GET", path)["is_deleted"]
    assert api.effects().count("group_deleted") == 1
    assert api.call("POST", f"{path}participants/", {"participant_ids": [BELA]}).status_code == 400
    assert api.call("PATCH", path, {"name": "Other"}).status_code == 400
    listed = {
        word: api.ok("GET", "participant-groups/", workspace_id=api.simulator.state.workspace, active=word)["results"]
        for word in ("true", "false")
    }
    assert {word: len(rows) for word, rows in listed.items()} == {"true": 0, "false": 1}


def test_a_group_that_makes_no_sense_is_refused(api, group):
    workspace = {"workspace_id": api.simulator.state.workspace}
    for wish in ({"name": "x"}, {"workspace_id": "other", "name": "x"}, workspace, workspace | {"name": ""}):
        assert api.call("POST", "participant-groups/", wish).status_code == 400
    assert api.call("PATCH", f"participant-groups/{group}/", {"description": 1}).status_code == 400
    for ids in (None, ANNA, ["short"], [1]):
        path = f"participant-groups/{group}/participants/"
        assert api.call("POST", path, {"participant_ids": ids}).status_code == 400
    assert api.call("GET", "participant-groups/").status_code == 400
    assert api.call("GET", "participant-groups/none/").json()["error"]["status"] == 404
    assert len(api.effects()) == 2


def test_a_completion_code_puts_who_hands_it_in_into_a_group_and_the_group_names_the_study(api, group):
    def code(word, action):
        return {"code": "C0DE", "code_type": "COMPLETED", "actions": [{"action": word, "participant_group": action}]}

    api.finished(api.published(completion_codes=[code("ADD_TO_PARTICIPANT_GROUP", group)]))
    added = people(api, group)
    assert len(added) == 2
    study = api.published(completion_codes=[code("REMOVE_FROM_PARTICIPANT_GROUP", group)])
    submission = api.simulator.state.take_place(study, added[-1]).id
    api.simulator.state.finish(submission)
    assert people(api, group) == [ANNA]
    feeders = api.ok("GET", f"participant-groups/{group}/")["feeder_studies"]
    assert [row["feeder_completion_codes"][0]["action"] for row in feeders] == [
        "ADD_TO_PARTICIPANT_GROUP",
        "REMOVE_FROM_PARTICIPANT_GROUP",
    ]
    assert api.effects().count("participants_added") == 1  # The study did the rest, and no call.


def test_a_message_sent_twice_arrives_twice(api):
    study = api.draft()
    for _ in range(2):
        wish = {"recipient_id": ANNA, "body": "Thank you.", "study_id": study}
        assert api.call("POST", "messages/", wish).status_code == 204
    rows = api.ok("GET", "messages/", user_id=ANNA)["results"]
    assert [(row["body"], row["data"]["study_id"], row["sender_id"]) for row in rows] == [
        ("Thank you.", study, api.simulator.state.user)
    ] * 2
    assert api.ok("GET", "messages/", user_id=BELA)["results"] == []
    assert api.effects()[1:] == ["message_sent"] * 2
    assert newest(api) == ("message_sent", None, (ANNA,))


def test_a_message_to_many_or_to_a_group_is_one_effect_for_each_person(api, group):
    study = api.draft()
    wish = {"ids": [ANNA, BELA, ANNA], "body": "Hello", "study_id": study}
    assert api.call("POST", "messages/bulk/", wish).status_code == 204
    wish = {"participant_group_id": group, "body": "Hello group"}
    assert api.call("POST", "messages/participant-group/", wish).status_code == 204
    sent = [effect.participants for effect in api.simulator.state.ledger if effect.kind == "message_sent"]
    assert sent == [(ANNA,), (BELA,), (ANNA,)]


def test_a_message_that_makes_no_sense_is_refused_and_not_sent(api, group):
    study = api.draft()
    whole = {"recipient_id": ANNA, "body": "Hello", "study_id": study}
    for part in ({"recipient_id": "x"}, {"body": ""}, {"body": 1}, {"study_id": "none"}, {"study_id": None}):
        assert api.call("POST", "messages/", whole | part).status_code == 400
    api.call("DELETE", f"participant-groups/{group}/")
    wish = {"participant_group_id": group, "body": "Hello"}
    assert api.call("POST", "messages/participant-group/", wish).status_code == 400
    assert api.simulator.state.messages == []


def test_messages_are_listed_by_person_or_by_time_and_for_30_days(api):
    study, clock = api.draft(), api.simulator.clock
    api.call("POST", "messages/", {"recipient_id": ANNA, "body": "first", "study_id": study})
    api.simulator.advance(3600)
    api.call("POST", "messages/", {"recipient_id": BELA, "body": "second", "study_id": study})

    def since(moment):
        return [row["body"] for row in api.ok("GET", "messages/", created_after=moment)["results"]]

    assert since((clock.now() - timedelta(minutes=30)).isoformat()) == ["second"]
    assert since("2020-01-01T00:00:00") == ["first", "second"]
    assert api.call("GET", "messages/").status_code == 400
    assert api.call("GET", "messages/", created_after="yesterday").status_code == 400
    api.simulator.advance(30 * 86400)
    assert since("2020-01-01T00:00:00") == []
    assert api.ok("GET", "messages/", user_id=ANNA)["results"] == []
