"""Messages against the simulator: what one call sends, and how it is found again."""

import pytest

from providers.contract import Absent, Done
from providers.errors import NotSentError, RejectedError, UnknownError
from providers.prolific import calls, mapping
from tests.contract.vendor import one, request

ANNA, BELA = "a" * 24, "b" * 24


@pytest.fixture
def wanted(api):
    """A message that is to be sent."""
    return request("message", body={"text": "Thank you."}, study_id=api.draft(), worker=ANNA)


def test_a_message_is_found_by_its_reference_and_by_nothing_else(api, client, wanted):
    assert one(calls.find(client, "message", [wanted])) == Absent()
    client.send_message(ANNA, wanted.facts["study_id"], "Thank you.")
    assert one(calls.find(client, "message", [wanted])) == Absent()
    assert one(calls.send(client, "message", [wanted])) == Done()
    assert one(calls.find(client, "message", [wanted])) == Done()
    sent = api.simulator.state.messages[-1]
    assert (sent.recipient, sent.study) == (ANNA, wanted.facts["study_id"])
    assert sent.body == f"Thank you.\n\n{mapping.reference(wanted.id)}"


@pytest.mark.parametrize(("fault", "found"), [("500_before", Absent()), ("500_after", Done())])
def test_a_message_without_an_answer_is_unknown_and_the_read_tells(api, client, wanted, fault, found):
    api.simulator.faults.next("POST messages/", fault)
    with pytest.raises(UnknownError):
        calls.send(client, "message", [wanted])
    assert one(calls.find(client, "message", [wanted])) == found


def test_a_message_without_a_study_or_to_nobody_is_not_sent(api, client, wanted):
    with pytest.raises(NotSentError):
        calls.send(client, "message", [request("message", body=wanted.body, worker=ANNA)])
    odd = request("message", body=wanted.body, study_id=wanted.facts["study_id"], worker="A1" * 12)
    with pytest.raises(RejectedError) as caught:
        calls.send(client, "message", [odd])
    assert "A1A1" not in str(caught.value)
    assert api.simulator.state.messages == []
