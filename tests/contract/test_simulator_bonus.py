"""What the simulator promises about bonuses: set up without effect, paid a while later, paid again if asked again."""

import httpx
import pytest

from providers.prolific.simulator.bonuses import PAY_SECONDS

SET_UP, PAY = "POST submissions/bonus-payments/", "POST bulk-bonus-payments/{id}/pay/"
NOBODY = "e" * 24
NO_ANSWER = (httpx.RemoteProtocolError, httpx.ReadError, httpx.ReadTimeout)


@pytest.fixture
def study(api):
    """A study with three submissions that were handed in."""
    study = api.published()
    api.finished(study, 3)
    return study


@pytest.fixture
def rows(api, study):
    """The submissions of the study."""
    return api.simulator.state.study(study).submissions


def csv_of(*rows):
    return "".join(f"{id_},{amount}\n" for id_, amount in rows)


def set_up(api, study, text):
    return api.call("POST", "submissions/bonus-payments/", {"study_id": study, "csv_bonuses": text})


def pay(api, batch):
    return api.call("POST", f"bulk-bonus-payments/{batch}/pay/")


def payments(api, submission):
    return api.ok("GET", f"submissions/{submission.id}/")["bonus_payments"]


def available(api):
    return api.ok("GET", f"workspaces/{api.simulator.state.workspace}/balance/")["available_balance"]


def paid(api):
    ledger = api.simulator.state.ledger
    return [(effect.submission, effect.amount_minor) for effect in ledger if effect.kind == "bonus_paid"]


def test_setting_up_quotes_fees_with_fractions_and_moves_no_money(api, study, rows):
    before = available(api)
    answer = set_up(api, study, csv_of((rows[0].id, "4.25"), (rows[1].id, "4.25")))
    assert answer.status_code == 201
    quote = answer.json()
    assert [quote.pop("id")] == list(api.simulator.state.batches)
    assert quote.pop("study") == study
    assert quote == {"amount": 850, "fees": 283.34, "vat": 56.67, "total_amount": 1190.01}
    api.simulator.advance(PAY_SECONDS)
    assert (payments(api, rows[0]), available(api), paid(api)) == ([], before, [])


def test_a_payment_is_promised_at_once_and_carried_out_a_minute_later(api, study, rows):
    before = available(api)
    batch = set_up(api, study, csv_of((rows[0].id, "1.5"), (rows[1].id, "3"))).json()["id"]
    answer = pay(api, batch)
    assert (answer.status_code, type(answer.json())) == (202, str)
    api.simulator.advance(PAY_SECONDS - 1)
    assert (payments(api, rows[0]), paid(api)) == ([], [])
    assert available(api) == before - 630
    api.simulator.advance(1)
    assert [payments(api, row) for row in rows] == [[150], [300], []]
    assert paid(api) == [(rows[0].id, 150), (rows[1].id, 300)]
    assert available(api) == before - 630


def test_a_batch_that_is_paid_twice_pays_twice_and_so_do_two_batches(api, study, rows):
    batches = [set_up(api, study, csv_of((rows[0].id, "1.50"))).json()["id"] for _ in range(2)]
    assert batches[0] != batches[1]
    for batch in (batches[0], *batches):
        assert pay(api, batch).status_code == 202
    api.simulator.advance(PAY_SECONDS)
    assert payments(api, rows[0]) == [150] * 3
    assert paid(api) == [(rows[0].id, 150)] * 3


def test_an_amount_is_in_major_units_as_the_document_warns(api, study, rows):
    assert set_up(api, study, csv_of((rows[0].id, 30))).json()["amount"] == 3000


def test_a_participant_is_paid_for_the_submission_in_the_study(api, study, rows):
    other = api.published(total_available_places=1)
    elsewhere = api.simulator.state.take_place(other, rows[0].participant)
    pay(api, set_up(api, study, csv_of((rows[0].participant, "2"))).json()["id"])
    api.simulator.advance(PAY_SECONDS)
    assert (payments(api, rows[0]), payments(api, elsewhere)) == ([200], [])


def test_who_has_not_taken_part_is_named_and_nobody_is_set_up(api, study, rows):
    (elsewhere,) = api.finished(api.published(), 1)
    answer = set_up(api, study, csv_of((rows[0].id, "2"), (NOBODY, "2"), (elsewhere, "2")))
    assert answer.status_code == 400
    told = answer.json()["error"]["detail"]["csv_bonuses"][0]
    assert NOBODY in told
    assert elsewhere in told
    assert rows[0].id not in told
    assert api.simulator.state.batches == {}


@pytest.mark.parametrize(
    "row", ["{id}", "{id},", "{id},x", "{id},-1", "{id},0", "{id},1.005", "{id},1,2", ",1", "", "{id},1e2", "{id} 1"]
)
def test_a_row_that_is_no_id_with_an_amount_is_refused(api, study, rows, row):
    assert set_up(api, study, row.format(id=rows[0].id)).status_code == 400
    assert api.simulator.state.batches == {}


def test_what_names_no_study_or_no_batch_is_refused(api):
    assert api.call("POST", "submissions/bonus-payments/", {"csv_bonuses": f"{NOBODY},1"}).status_code == 400
    assert set_up(api, NOBODY, f"{NOBODY},1").status_code == 404
    assert pay(api, NOBODY).status_code == 404


def test_bonuses_that_the_wallet_cannot_bear_are_refused_also_while_others_are_due(simulate):
    api = simulate(balance=1000)
    study = api.published()
    (submission,) = api.finished(study)
    batch = set_up(api, study, csv_of((submission, "4"))).json()["id"]
    assert pay(api, batch).status_code == 202
    refused = pay(api, batch)
    assert refused.status_code == 400
    assert refused.json()["error"]["detail"].startswith("Insufficient funds")
    api.simulator.advance(PAY_SECONDS)
    assert paid(api) == [(submission, 400)]


@pytest.mark.parametrize(
    ("kind", "happens"),
    [
        ("429", False),
        ("500_before", False),
        ("500_after", True),
        ("drop_before", False),
        ("drop_after", True),
        ("hang_before", False),
        ("hang_after", True),
        ("delay", True),
    ],
)
def test_each_fault_strikes_both_calls_before_or_after_their_effect(api, study, rows, kind, happens):
    def call(endpoint, send):
        api.simulator.faults.next(endpoint, kind, seconds=0.05)
        try:
            return send().status_code
        except NO_ANSWER:
            return None

    text = csv_of((rows[0].id, "1"))
    good = kind == "delay"
    assert (call(SET_UP, lambda: set_up(api, study, text)) == 201) == good
    assert len(api.simulator.state.batches) == happens
    batch = set_up(api, study, text).json()["id"]
    assert (call(PAY, lambda: pay(api, batch)) == 202) == good
    api.simulator.advance(PAY_SECONDS)
    assert payments(api, rows[0]) == [100] * happens


def test_a_payment_may_be_promised_and_never_be_made(api, study, rows):
    batch = set_up(api, study, csv_of((rows[0].id, "1"))).json()["id"]
    api.simulator.faults.next(PAY, "never_done")
    assert pay(api, batch).status_code == 202
    api.simulator.advance(86400)
    assert payments(api, rows[0]) == []


def test_a_bonus_that_is_paid_in_prolifics_own_pages_shows_and_is_no_effect_of_a_call(api, rows):
    before, effects = available(api), api.effects()
    api.simulator.state.pay_bonus(rows[0].id, 150)
    assert payments(api, rows[0]) == [150]
    assert available(api) == before - 210
    assert api.effects() == effects


def test_bonuses_show_in_the_pages_beside_the_api_and_in_the_study_s_cost(api, study, rows):
    api.simulator.state.pay_bonus(rows[0].id, 150)
    pay(api, set_up(api, study, csv_of((rows[0].id, "3"), (rows[1].id, "6"))).json()["id"])

    def shown():
        return api.client.get(f"{api.simulator.url}/simulator/state").json()

    assert shown()["bonuses"] == {"paid": 1, "amount": 150, "due": 2}
    api.simulator.advance(PAY_SECONDS)
    assert shown()["bonuses"] == {"paid": 3, "amount": 1050, "due": 0}
    assert shown()["studies"][0]["bonuses"] == 1050
    cost = api.ok("GET", f"studies/{study}/cost/")
    assert cost["bonuses"]["rewards"]["amount"] == 1050
    assert cost["rewards"]["rewards"]["amount"] == 0
    assert "state.bonuses.amount" in api.client.get(api.simulator.url).text
