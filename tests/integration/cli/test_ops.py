"""Operations are listed, explained and decided; work is approved once."""

from uuid import UUID

import pytest
from sqlalchemy import update

from models.agent import Agent
from models.group import Group
from models.operation import Operation, State
from models.session import transaction
from tasks import claims
from tests.integration.scene import DECISION, Scene

REFUSING = {
    "resolve": [State.REVIEW, State.PLANNED, State.CONFIRMED],
    "cancel": [State.PLANNED, State.REVIEW, State.CONFIRMED],
    "retry": [State.PLANNED, State.REVIEW, State.CONFIRMED],
}
"""States of which each verb accepts only the first."""


def placed(operation, state):
    """Bring an operation into a state."""
    with transaction() as session:
        moved = update(Operation).where(Operation.id == operation.id)
        session.execute(moved.values(state=state, reason="attempts used up"))
    return operation


def in_review(operation):
    """Bring an operation to where a person must decide."""
    return placed(operation, State.REVIEW)


def test_approving_plans_one_payment_each_however_often_it_is_said(crowdops, data, scene):
    run = scene.live(2)
    scene.completed(run, 2)
    first = data("review", "approve", "--run", "run")
    assert (first["runs"], first["planned"], first["existing"]) == ([str(run)], 2, {})
    assert data("review", "approve", "--run", "run")["existing"] == {"planned": 2}
    scene.settle()
    assert "Planned for run: 0 approvals." in crowdops("review", "approve", "--run", "run")
    assert len(scene.effects("approve")) == 2


def test_only_the_agents_that_are_named_are_approved(crowdops, data, scene):
    run = scene.live(2)
    scene.completed(run, 2)
    agent = str(scene.all(Agent)[0].id)
    assert data("review", "approve", "--run", "run", "--agent", agent[:8])["planned"] == 1
    scene.plan(1, "other")
    assert "belongs to another run" in crowdops("review", "approve", "--run", "other", "--agent", agent, code=3)


def test_work_that_is_not_complete_is_not_approved(crowdops, scene):
    run = scene.live(1)
    scene.simulator.state.take_place(scene.study(run))
    scene.reconcile(run)
    agent = scene.all(Agent)[0].id
    assert "this needs work that is approved or completed" in crowdops(
        "review", "approve", "--run", "run", "--agent", agent, code=2
    )
    assert "No work waits for a decision" in crowdops("review", "approve", "--run", "run")
    assert scene.operations("approve") == []


def test_operations_are_listed_by_state_kind_and_run(crowdops, data, scene):
    scene.live(2)
    scene.plan(1, "other")
    assert {row["kind"] for row in data("ops", "list", "--state", "planned")} == {"draft", "publish", "launch"}
    assert len(data("ops", "list", "--kind", "launch")) == 3
    assert len(data("ops", "list", "--run", "run", "--kind", "launch", "--state", "confirmed")) == 2
    assert len(data("ops", "list", "--limit", "3")) == 3
    assert "There are more than 3" in crowdops("ops", "list", "--limit", "3")


def test_an_operation_is_shown_with_every_request_that_carried_it(crowdops, data, scene):
    run = scene.live(1)
    (approval,) = scene.approve(run, *scene.completed(run))
    scene.fault(DECISION, "500_before")
    scene.settle()
    shown = data("ops", "show", str(approval.id)[:13])
    assert [one["outcome"] for one in shown["attempts"]] == ["unknown", "done"]
    assert shown["submission"] == scene.all(Agent)[0].submission
    assert "HTTP 500" in crowdops("ops", "show", approval.id)


def test_a_beginning_that_several_operations_share_is_refused(crowdops, scene):
    scene.plan(1)
    with transaction() as session:
        for digit in "12":
            copied = {"requester_id": scene.account, "kind": "draft", "target": digit, "key": "1", "body": {}}
            session.add(Operation(**copied, id=UUID(f"abcdef00-0000-0000-0000-00000000000{digit}")))
    assert "There are 2 operations whose id begins with 'abcdef00'" in crowdops("ops", "show", "abcdef00", code=2)


def test_an_operation_is_explained_from_the_plan_to_the_proof(crowdops, scene):
    scene.plan(1)
    draft, publish = scene.only("draft"), scene.only("publish")
    told = crowdops("ops", "explain", draft.id)
    assert "Make the study of run 'run' at the vendor" in told
    assert "Nothing yet." in told
    assert "A worker sends it as soon as one is free" in told
    assert f"It waits for the draft before it, which is planned: `crowdops ops explain {draft.id}`" in crowdops(
        "ops", "explain", publish.id
    )
    scene.fault("POST studies/", "drop_after")
    scene.send(draft)
    told = crowdops("ops", "explain", draft.id)
    assert "no readable answer came, so it may have happened" in told
    assert "nothing is decided before the vendor shows it" in told
    assert "The vendor is asked again at" in told
    scene.settle()
    assert "It happened: the vendor shows it." in crowdops("ops", "explain", draft.id)


def test_a_review_is_explained_with_what_each_decision_does(crowdops, scene):
    scene.plan(1)
    told = crowdops("ops", "explain", in_review(scene.only("draft")).id)
    assert "Why: attempts used up" in told
    assert "confirmed --result study_id=ID --note ...`. It counts as done" in told
    assert "it then happens twice: be sure" in told
    assert "that does no harm" in crowdops("ops", "explain", in_review(scene.only("publish")).id)


def test_a_review_is_resolved_with_a_note_of_who_and_why(crowdops, data, scene):
    run = scene.live(1)
    (approval,) = scene.approve(run, *scene.completed(run))
    in_review(approval)
    assert "--note" in crowdops("ops", "resolve", approval.id, "confirmed", code=2)
    (told,) = data("ops", "resolve", approval.id, "confirmed", "--note", "seen in the app")
    assert told["state"] == "confirmed"
    assert told["note"].endswith("confirmed: seen in the app")
    assert scene.units() == ["accepted"]
    assert "only one in review is resolved" in crowdops(
        "ops", "resolve", approval.id, "retry", "--note", "again", code=2
    )


def test_a_draft_is_not_confirmed_without_its_study(crowdops, scene):
    run = scene.plan(1)
    draft = in_review(scene.only("draft"))
    assert "--result study_id=ID" in crowdops("ops", "resolve", draft.id, "confirmed", "--note", "x", code=2)
    assert scene.only("draft").state is State.REVIEW
    crowdops("ops", "resolve", draft.id, "confirmed", "--note", "x", "--result", "study_id=s1")
    assert scene.study(run) == "s1"


def test_a_group_is_not_confirmed_without_the_vendors_id_of_it(crowdops, scene):
    Scene(scene.simulator, "shop", block_list=False).plan(1)
    made = in_review(scene.only("group"))
    assert "--result group_id=ID" in crowdops("ops", "explain", made.id)
    assert "--result group_id=ID" in crowdops("ops", "resolve", made.id, "confirmed", "--note", "x", code=2)
    crowdops("ops", "resolve", made.id, "confirmed", "--note", "x", "--result", "group_id=g1")
    assert scene.get(Group, UUID(made.target)).vendor_id == "g1"


def test_an_operation_is_cancelled_only_while_nobody_has_taken_it(crowdops, scene):
    scene.plan(1)
    draft = scene.only("draft").id
    assert "What waited for it is cancelled with it" in crowdops("ops", "cancel", draft)
    assert "is cancelled, so it cannot be withdrawn" in crowdops("ops", "cancel", draft, code=2)
    again = crowdops("ops", "retry", draft)
    assert f"Operation {draft} (draft) is tried again as operation" in again
    assert crowdops("ops", "retry", draft) == again
    assert "It was tried again as operation" in crowdops("ops", "explain", draft)
    fresh = next(row for row in scene.operations("draft") if row.state is State.PLANNED)
    assert "is due now" in crowdops("ops", "retry", fresh.id)
    claims.claim([fresh.id])
    assert "is sending, so it cannot be withdrawn" in crowdops("ops", "cancel", fresh.id, code=2)


def test_many_reviews_are_resolved_by_one_command(crowdops, scene):
    run = scene.live(3)
    approvals = [str(in_review(row).id) for row in scene.approve(run, *scene.completed(run, 3))]
    # Said twice, or by its beginning, an operation is still one.
    words = ("ops", "resolve", *approvals, approvals[0][:13], "confirmed", "--note", "seen in the app")
    told = crowdops(*words).splitlines()
    assert len(told) == 3
    for one in approvals:
        assert any(line.startswith(f"Operation {one} (approve) is confirmed. Noted: ") for line in told)
    assert scene.units() == ["accepted"] * 3
    assert all("confirmed: seen in the app" in row.note for row in scene.operations("approve"))


def test_what_was_done_is_one_json_entry_an_operation(data, scene):
    run = scene.live(2)
    approvals = sorted(str(in_review(row).id) for row in scene.approve(run, *scene.completed(run, 2)))
    told = data("ops", "resolve", *approvals, "retry", "--note", "not there")
    assert [(row["id"], row["state"]) for row in told] == [(one, "planned") for one in approvals]
    assert [row["state"] for row in data("ops", "retry", *approvals)] == ["planned"] * 2
    assert [row["state"] for row in data("ops", "cancel", *approvals)] == ["cancelled"] * 2
    again = data("ops", "retry", *approvals)
    assert {row["id"] for row in again}.isdisjoint(approvals)
    assert [row["state"] for row in again] == ["planned"] * 2


@pytest.mark.parametrize("words", [("resolve", "confirmed", "--note", "x"), ("cancel",), ("retry",)])
def test_one_operation_that_refuses_keeps_all_from_being_changed(crowdops, scene, words):
    run = scene.live(3)
    verb, *rest = words
    good, *bad = scene.approve(run, *scene.completed(run, 3))
    for row, state in zip((good, *bad), REFUSING[verb], strict=True):
        placed(row, state)
    told = crowdops("ops", verb, *(row.id for row in (*bad, good)), *rest, code=2)
    for row in bad:
        assert f"Operation {row.id} is" in told
    assert str(good.id) not in told
    assert "So none of the 3 operations was changed." in told
    assert [scene.get(Operation, row.id).state for row in (good, *bad)] == REFUSING[verb]
    assert scene.get(Operation, good.id).note is None


def test_every_id_that_is_not_there_is_named_and_nothing_is_changed(crowdops, scene):
    scene.plan(1)
    draft = scene.only("draft").id
    told = crowdops("ops", "cancel", "12345678", draft, "nonsense", code=3)
    assert "There is no operation '12345678' or 'nonsense'." in told
    assert scene.only("draft").state is State.PLANNED


def test_the_last_places_of_a_run_are_withdrawn_in_whatever_order_they_are_named(crowdops, scene):
    scene.plan(4)
    places = sorted(scene.operations("launch"), key=lambda row: row.body["places"])
    assert f"Operation {places[1].id}: The launch of place 2 cannot be withdrawn" in crowdops(
        "ops", "cancel", places[1].id, places[2].id, code=2
    )
    crowdops("ops", "cancel", *(row.id for row in places[1:]))
    assert [scene.get(Operation, row.id).state for row in places] == [State.PLANNED, *[State.CANCELLED] * 3]


def test_a_result_belongs_to_one_operation_that_is_confirmed(crowdops, scene):
    scene.plan(1)
    draft, publish = in_review(scene.only("draft")), in_review(scene.only("publish"))
    words = ("--note", "x", "--result", "study_id=s1")
    assert "one operation" in crowdops("ops", "resolve", draft.id, publish.id, "confirmed", *words, code=2)
    assert "that is confirmed" in crowdops("ops", "resolve", draft.id, "retry", *words, code=2)
    assert scene.only("draft").state is State.REVIEW
