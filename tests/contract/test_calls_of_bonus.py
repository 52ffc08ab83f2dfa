"""Bonuses against the simulator: what is set up and paid, what is refused before, and what reads prove after."""

from dataclasses import replace

import pytest

from models.settings import settings
from providers.contract import Absent, Accepted, Account, Done
from providers.errors import AccountError, NotSentError, RejectedError, ThrottledError, UnknownError
from providers.prolific import bonus, calls
from providers.prolific.provider import ProlificProvider
from providers.prolific.simulator.bonuses import PAY_SECONDS
from providers.prolific.simulator.identity import identifier
from providers.prolific.simulator.simulator import Options
from tests.contract.vendor import one, request, vendor

SET_UP, PAY, SHOW = "POST submissions/bonus-payments/", "POST bulk-bonus-payments/{id}/pay/", "GET submissions/{id}/"
STUDY, SUBMISSION, BATCH = "5" * 24, "a" * 24, "b" * 24
WORKSPACE = identifier(Options().seed, "workspace")
BALANCE = {"total_balance": 1000, "available_balance": 1000, "currency_code": "GBP"}


def wish(submission, amount=150, study=STUDY, currency="GBP", **more):
    """A bonus to be paid, before its snapshot."""
    asked = request("bonus", submission, {"reason": "Careful work."}, study_id=study, workspace=WORKSPACE)
    return replace(asked, amount_minor=amount, currency=currency, **more)


@pytest.fixture
def study(api):
    """A study with three submissions that were handed in."""
    study = api.published()
    api.finished(study, 3)
    return study


@pytest.fixture
def wanted(api, client, study):
    """A bonus for each of them, with its snapshot."""
    rows = api.simulator.state.study(study).submissions
    return shot(client, [wish(row.id, 150 + n, study) for n, row in enumerate(rows)])


def shot(client, requests):
    """The requests with what is there before."""
    return [
        replace(asked, baseline=shown) for asked, shown in zip(requests, bonus.snapshot(client, requests), strict=True)
    ]


def send(client, requests):
    return calls.send(client, "bonus", requests)


def find(client, requests):
    return calls.find(client, "bonus", requests)


def kinds(outcomes):
    return sorted(type(outcome).__name__ for outcome in outcomes)


def payments(api, asked):
    return api.simulator.state.submissions[asked.target].bonus_payments


def answering(**batch):
    """A vendor that sets this batch up, and pays it if asked; yields a client."""
    paid = {f"bulk-bonus-payments/{BATCH}/pay/": "Paid.", f"workspaces/{WORKSPACE}/balance/": BALANCE}
    return vendor({"submissions/bonus-payments/": {"id": BATCH, "study": STUDY, "total_amount": 210} | batch} | paid)


def test_a_batch_is_paid_once_and_each_member_is_proven_by_its_own_read(api, client, wanted):
    outcomes = send(client, wanted)
    (batch,) = api.simulator.state.batches
    assert outcomes == [Accepted({"batch": batch, "fee_minor": fee}) for fee in (60, 60, 61)]
    assert find(client, wanted) == [Absent()] * 3
    api.simulator.advance(PAY_SECONDS)
    assert find(client, wanted) == [Done()] * 3
    assert [payments(api, asked) for asked in wanted] == [[150], [151], [152]]


def test_the_shares_of_the_fees_add_up_to_what_leaves_the_wallet(api, client, wanted):
    before = api.simulator.state.total()
    outcomes = send(client, wanted)
    api.simulator.advance(PAY_SECONDS)
    left = before - api.simulator.state.total()
    assert sum(outcome.result["fee_minor"] for outcome in outcomes) == round(left) - sum(a.amount_minor for a in wanted)


def test_sending_twice_pays_twice_so_the_kind_is_never_sent_again_by_itself(api, client, wanted):
    for _ in range(2):
        send(client, wanted[:1])
    api.simulator.advance(PAY_SECONDS)
    assert payments(api, wanted[0]) == [150, 150]
    kind = calls.KINDS["bonus"]
    assert (kind.repeat, kind.resend_when_absent, kind.snapshot, kind.exclusive) == ("read_back", False, True, True)


@pytest.mark.parametrize(
    "target", ["A" * 24, "a" * 23, "a" * 25, f"{'a' * 24}\n", f"{'a' * 24}\n{'b' * 24},99", "", "=1"]
)
def test_what_is_no_id_is_not_sent_and_not_repeated(api, client, study, wanted, target):
    before = api.simulator.total_calls()
    with pytest.raises(RejectedError, match="not an id of a submission") as caught:
        send(client, [*wanted, wish(target, study=study)])
    assert caught.value.harmless
    assert not target.strip() or target.strip() not in str(caught.value)
    assert api.simulator.total_calls() == before


@pytest.mark.parametrize(("amount", "currency"), [(0, "GBP"), (-1, "GBP"), (None, "GBP"), (5, None), (500, "JPY")])
def test_a_sum_that_prolific_would_take_for_another_is_not_sent(api, client, amount, currency):
    before = api.simulator.total_calls()
    with pytest.raises(RejectedError, match="nothing was sent") as caught:
        send(client, [wish(SUBMISSION, amount, STUDY, currency)])
    assert caught.value.harmless
    assert api.simulator.total_calls() == before


def test_a_bonus_in_another_currency_than_the_workspaces_is_not_set_up(api, client, wanted):
    in_dollars = [replace(asked, currency="USD") for asked in wanted]
    with pytest.raises(RejectedError, match="pays in GBP, but the bonus is in USD; nothing was sent") as caught:
        send(client, in_dollars)
    assert caught.value.harmless
    assert api.simulator.totals.get(SET_UP) is None


def test_a_workspace_that_cannot_be_read_is_no_refusal_of_a_bonus(api, client, wanted):
    gone = [replace(asked, facts={**asked.facts, "workspace": "f" * 24}) for asked in wanted]
    with pytest.raises(NotSentError, match="currency cannot be read, so nothing was sent"):
        send(client, gone)
    assert api.simulator.totals.get(SET_UP) is None


def test_a_run_without_a_study_pays_nothing(client):
    with pytest.raises(NotSentError):
        send(client, [request("bonus", SUBMISSION)])


@pytest.mark.parametrize("amount", [15000, 1.5, 151, 149.99, 0])
def test_a_batch_that_would_pay_something_else_is_not_paid(amount):
    with (
        answering(amount=amount) as client,
        pytest.raises(RejectedError, match=r"where 150 was asked.*nothing was paid") as c,
    ):
        send(client, [wish(SUBMISSION)])
    assert c.value.harmless
    assert str(amount) in str(c.value)


@pytest.mark.parametrize("amount", [150, 150.0])
def test_a_batch_that_would_pay_what_was_meant_is_paid(amount):
    with answering(amount=amount) as client:
        assert one(send(client, [wish(SUBMISSION)])) == Accepted({"batch": BATCH, "fee_minor": 60})


@pytest.mark.parametrize(
    ("batch", "told"),
    [
        ({}, "does not say what it would pay where 150"),
        ({"amount": None}, "does not say what it would pay where 150"),
        ({"amount": 150, "study": "c" * 24}, "for another study"),
        ({"amount": 150, "total_amount": 149}, "it would cost 149 to pay 150"),
    ],
)
def test_a_batch_that_does_not_say_what_was_meant_is_not_paid(batch, told):
    with answering(**batch) as client, pytest.raises(RejectedError, match=told) as caught:
        send(client, [wish(SUBMISSION)])
    assert caught.value.harmless


@pytest.mark.parametrize(
    "batch", [{"amount": "150"}, {"amount": -150}, {"amount": 150, "total_amount": None}, {"id": 7}]
)
def test_a_batch_in_an_odd_shape_is_not_paid(batch):
    with answering(**batch) as client, pytest.raises(UnknownError) as caught:
        send(client, [wish(SUBMISSION)])
    assert caught.value.harmless


@pytest.mark.parametrize(
    ("fault", "error"),
    [("500_before", UnknownError), ("500_after", UnknownError), ("drop_after", UnknownError), ("429", ThrottledError)],
)
def test_whatever_goes_wrong_with_setting_up_is_harmless(api, client, wanted, fault, error):
    api.simulator.faults.next(SET_UP, fault)
    with pytest.raises(error) as caught:
        send(client, wanted)
    assert caught.value.harmless
    assert api.simulator.totals.get(PAY) is None


def test_a_participant_who_has_not_taken_part_is_a_harmless_refusal_that_names_nobody(api, client, study, wanted):
    with pytest.raises(RejectedError, match="have not taken part") as caught:
        send(client, [*wanted, wish(SUBMISSION, study=study)])
    assert caught.value.harmless
    assert SUBMISSION not in str(caught.value)
    assert api.simulator.totals.get(PAY) is None


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("500_before", UnknownError),
        ("500_after", UnknownError),
        ("drop_before", UnknownError),
        ("drop_after", UnknownError),
        ("429_retry_after", ThrottledError),
    ],
)
def test_a_payment_without_a_yes_is_in_doubt_and_names_its_batch(api, client, wanted, fault, error):
    api.simulator.faults.next(PAY, fault, seconds=7)
    with pytest.raises(error) as caught:
        send(client, wanted)
    (batch,) = api.simulator.state.batches
    assert str(caught.value).startswith(f"batch {batch} was set up; paying it: ")
    assert not caught.value.harmless
    assert getattr(caught.value, "retry_after", 7) == 7
    api.simulator.advance(PAY_SECONDS)
    assert find(client, wanted) == [Done() if fault in {"500_after", "drop_after"} else Absent()] * 3
    assert api.simulator.totals[PAY]["calls"] == 1


def test_a_lack_of_funds_concerns_the_account(api, client, wanted):
    with pytest.raises(AccountError, match=r"batch .* was set up; paying it: .*Insufficient funds") as caught:
        send(client, [replace(wanted[0], amount_minor=10_000_000)])
    assert not caught.value.harmless
    assert payments(api, wanted[0]) == []


def test_a_bonus_is_told_from_those_that_were_there_before(api, client, wanted):
    state = api.simulator.state
    asked = wanted[0]
    state.pay_bonus(asked.target, 150)
    (again,) = shot(client, [asked])
    assert again.baseline == {"bonus_payments": [150]}
    assert one(find(client, [again])) == Absent()
    state.pay_bonus(asked.target, 99)
    assert one(find(client, [again])) == Absent()
    state.pay_bonus(asked.target, 150)
    assert one(find(client, [again])) == Done()


def test_without_a_snapshot_or_with_less_than_it_nothing_is_told(api, client, wanted):
    api.simulator.state.pay_bonus(wanted[0].target, 150)
    unread = one(find(client, [replace(wanted[0], baseline=None)]))
    assert (type(unread), "not on record" in str(unread)) == (UnknownError, True)
    fewer = one(find(client, [replace(wanted[0], baseline={"bonus_payments": [7]})]))
    assert (type(fewer), "fewer" in str(fewer)) == (UnknownError, True)


def test_a_failed_read_fails_its_own_member_only(api, client, wanted):
    api.simulator.faults.next(SHOW, "500_before")
    shown = bonus.snapshot(client, wanted)
    assert kinds(shown) == ["UnknownError", "dict", "dict"]
    api.simulator.faults.next(SHOW, "429")
    assert kinds(find(client, wanted)) == ["Absent", "Absent", "ThrottledError"]


def test_a_submission_that_is_not_there_decides_nothing(client, wanted):
    missing = wish(SUBMISSION, baseline={"bonus_payments": []})
    outcomes = find(client, [missing, *wanted])
    assert [type(outcome) for outcome in outcomes] == [UnknownError, Absent, Absent, Absent]


def test_a_refused_credential_stops_the_reads_for_all(api, client, wanted, monkeypatch):
    monkeypatch.setenv("VENDOR_TOKEN", "revoked")
    before = api.simulator.total_calls()
    with pytest.raises(AccountError):
        bonus.snapshot(client, wanted)
    assert api.simulator.total_calls() == before + 1


def test_reads_stop_when_a_third_of_the_time_is_gone_and_the_others_come_next_time(api, client, wanted, monkeypatch):
    monkeypatch.setenv("CROWDOPS_TIMING__HTTP_DEADLINE", "1.4")
    monkeypatch.setenv("CROWDOPS_TIMING__SOFT_LIMIT", "1.5")
    settings.cache_clear()
    api.simulator.faults.next(SHOW, "delay", times=3, seconds=0.6)
    shown = bonus.snapshot(client, wanted)
    assert kinds(shown) == ["NotSentError", "NotSentError", "dict"]
    assert any("too many to read at once" in str(one) for one in shown)
    assert api.simulator.totals[SHOW]["calls"] == 4


def test_the_provider_takes_the_snapshots_of_its_bonuses(api, wanted, monkeypatch):
    monkeypatch.setenv("CROWDOPS_PROLIFIC_URL", api.simulator.url)
    settings.cache_clear()
    provider = ProlificProvider(Account(wanted[0].id, "prolific", "lab", "env:VENDOR_TOKEN"))
    api.simulator.state.pay_bonus(wanted[1].target, 7)
    assert provider.snapshot(wanted) == [{"bonus_payments": []}, {"bonus_payments": [7]}, {"bonus_payments": []}]
    assert [type(outcome) for outcome in provider.send(wanted)] == [Accepted] * 3
    assert provider.find(wanted) == [Absent()] * 3
