"""Participant groups against the simulator: what one call sends, and what the members prove."""

import pytest

from providers.contract import Absent, Done
from providers.errors import NotSentError, RejectedError, UnknownError
from providers.prolific import calls, mapping
from tests.contract.test_calls import RUN
from tests.contract.vendor import one, request

ANNA, BELA = "a" * 24, "b" * 24


@pytest.fixture
def wanted(api):
    """A group that is to be made."""
    return request("group", body={"name": "crowdops lab: blocked"}, workspace=api.simulator.state.workspace)


@pytest.fixture
def change(client, wanted):
    """A function that makes the request for a change of one participant's membership in a group that is there."""
    group = one(calls.send(client, "group", [wanted])).result["group_id"]
    return lambda kind, worker: request(kind, body={"group": "ours"}, groups={"ours": group}, worker=worker)


def test_a_group_is_made_once_and_found_by_its_name(api, client, wanted):
    assert one(calls.find(client, "group", [wanted])) == Absent()
    made = one(calls.send(client, "group", [wanted]))
    assert one(calls.find(client, "group", [wanted])) == made
    assert one(calls.send(client, "group", [wanted])) == made
    assert api.effects() == ["group_created"]


def test_a_group_that_was_deleted_is_not_found_and_two_of_a_name_are_left_to_a_person(api, client, wanted):
    made = one(calls.send(client, "group", [wanted])).result["group_id"]
    api.call("DELETE", f"participant-groups/{made}/")
    assert one(calls.find(client, "group", [wanted])) == Absent()
    for _ in range(2):
        client.create_group(wanted.facts["workspace"], wanted.body["name"])
    outcome = one(calls.find(client, "group", [wanted]))
    assert type(outcome) is UnknownError
    assert "delete all but one" in str(outcome)


def test_a_group_is_deleted_once_and_again_changes_nothing(api, client, wanted):
    made = one(calls.send(client, "group", [wanted])).result["group_id"]
    gone = request("ungroup", body={"group": "ours"}, groups={"ours": made})
    assert one(calls.find(client, "ungroup", [gone])) == Absent()
    for _ in range(2):
        assert one(calls.send(client, "ungroup", [gone])) == Done()
    assert one(calls.find(client, "ungroup", [gone])) == Done()
    assert client.group(made).is_deleted
    assert api.effects() == ["group_created", "group_deleted"]


def test_a_group_that_prolific_does_not_know_any_more_is_as_good_as_deleted(api, client):
    lost = request("ungroup", body={"group": "ours"}, groups={"ours": "a" * 24})
    assert one(calls.send(client, "ungroup", [lost])) == Done()
    assert one(calls.find(client, "ungroup", [lost])) == Done()
    assert api.effects() == []


@pytest.mark.parametrize("fault", ["500_before", "500_after", "drop_before", "drop_after"])
def test_a_deletion_without_an_answer_is_unknown_and_the_read_tells(api, client, wanted, fault):
    made = one(calls.send(client, "group", [wanted])).result["group_id"]
    gone = request("ungroup", body={"group": "ours"}, groups={"ours": made})
    api.simulator.faults.next("DELETE participant-groups/{id}/", fault)
    with pytest.raises(UnknownError):
        calls.send(client, "ungroup", [gone])
    assert one(calls.find(client, "ungroup", [gone])) == (Done() if fault.endswith("after") else Absent())


def test_members_come_and_go_and_again_changes_nothing(api, client, change):
    for kind, effect in (("block", "participants_added"), ("unblock", "participants_removed")):
        both = [change(kind, ANNA), change(kind, BELA)]
        assert calls.find(client, kind, both) == [Absent()] * 2
        for _ in range(2):
            assert calls.send(client, kind, both) == [Done()] * 2
        assert calls.find(client, kind, both) == [Done()] * 2
        assert api.effects().count(effect) == 1


def test_a_batch_that_is_refused_shows_what_is_there_already(client, change):
    calls.send(client, "block", [change("block", ANNA)])
    outcomes = calls.send(client, "block", [change("block", ANNA), change("block", "Nobody")])
    assert outcomes[0] == Done()
    assert isinstance(outcomes[1], RejectedError)


def test_what_needs_a_group_that_was_not_made_yet_is_not_sent(api, client):
    before = api.simulator.total_calls()
    needing = ("block", "ungroup")
    for kind, body in (*((kind, {"group": "ours"}) for kind in needing), ("draft", RUN | {"keep_out": ["ours"]})):
        with pytest.raises(NotSentError, match="has to be made first"):
            calls.send(client, kind, [request(kind, body=body, groups={}, worker=ANNA)])
    assert api.simulator.total_calls() == before


def test_groups_are_kept_out_of_a_draft_beside_the_filters_of_the_run_file(api, client, change):
    group = change("block", ANNA).facts["groups"]
    age = {"filter_id": "age", "selected_range": {"lower": 18, "upper": 30}}
    draft = request("draft", body=RUN | {"keep_out": ["ours"], "filters": [age]}, groups=group)
    made = one(calls.send(client, "draft", [draft]))
    kept_out = {"filter_id": "participant_group_blocklist", "selected_values": [group["ours"]]}
    assert api.ok("GET", f"studies/{made.result['study_id']}/")["filters"] == [age, kept_out]
    assert mapping.study(draft.id, RUN)["filters"] == []
