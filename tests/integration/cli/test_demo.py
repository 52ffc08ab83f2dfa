"""The demonstration keeps to servers of its own, bears spoilt reads, and decides nothing without a reason."""

from dataclasses import replace

import pytest
from sqlalchemy import update

from cli import demo, launch, offer, person, report, runfile, stage
from models.operation import Operation, State
from models.requester import Requester
from models.session import transaction
from models.settings import settings
from providers import account_of, provider_of
from providers.errors import AccountError, UnknownError
from tasks import engine
from tests.integration.scene import DECISION

WORKSPACES = "GET workspaces/"
PROJECTS = "GET workspaces/{workspace_id}/projects/"
BALANCE = "GET workspaces/{workspace_id}/balance/"
COST = "POST study-cost-calculator/"
SUBMISSION = "GET submissions/{id}/"


@pytest.fixture
def played(scene):
    """What the report compares with."""
    state = scene.simulator.state
    return stage.Stage(scene.simulator.url, state.workspace, state.project, simulated=True)


def in_review(operation):
    """Bring an operation to where a person must decide."""
    with transaction() as session:
        moved = update(Operation).where(Operation.id == operation.id)
        session.execute(moved.values(state=State.REVIEW, reason="attempts used up"))
    return operation


def approval(scene, *faults):
    """An approval that a person has to decide on, after requests that went wrong so."""
    run = scene.live(1)
    (wanted,) = scene.approve(run, *scene.completed(run))
    for fault in faults:
        scene.fault(DECISION, fault)
        scene.send(wanted)
    return run, in_review(wanted)


@pytest.mark.parametrize("spelt", [str, str.lower])
def test_the_demonstration_never_sees_the_servers_that_the_environment_names(temporary_home, monkeypatch, spelt):
    with temporary_home():
        monkeypatch.setenv(spelt("CROWDOPS_DATABASE_URL"), "postgresql+psycopg://nobody@127.0.0.1:1/production")
        monkeypatch.setenv(spelt("CROWDOPS_BROKER_URL"), "redis://127.0.0.1:1/0")
        settings.cache_clear()
        assert settings().database_url is not None
        with demo._home():  # noqa: SLF001 - whatever else a demonstration does would take a minute
            assert (settings().database_url, settings().broker_url) == (None, None)
            assert settings().home.name == "demo"


def test_reads_that_are_spoilt_are_made_again(scene):
    for endpoint in (WORKSPACES, PROJECTS):
        scene.fault(endpoint, "500_before", times=3)
    with stage.stage(seed=1, faults=0, units=1) as found:
        assert (found.workspace, found.project) == (scene.simulator.state.workspace, scene.simulator.state.project)
    assert (scene.calls(WORKSPACES), scene.calls(PROJECTS)) == (4, 4)


def test_a_price_is_asked_again_while_calls_are_spoilt(scene, run_file):
    wanted = runfile.read(run_file(), launch.args_of)
    vendor = provider_of(account_of(scene.get(Requester, scene.account)))
    for endpoint in (BALANCE, COST):
        scene.fault(endpoint, "drop_before", times=2)
    price = stage.patiently(lambda: offer.ask(vendor, wanted.offer))
    assert (price.cost.total_minor, price.balance.total_minor) == (336, 1_000_000)


def test_a_read_that_is_refused_is_made_once(scene, monkeypatch):
    monkeypatch.setenv("CROWDOPS_PROLIFIC_TOKEN", "not-this-one")
    with pytest.raises(AccountError), stage.stage(seed=1, faults=0, units=1):
        pass
    assert scene.calls(WORKSPACES) == 1


def test_a_read_that_fails_every_time_is_given_up(scene, monkeypatch):
    monkeypatch.setattr(stage, "TRIES", 3)
    scene.fault(WORKSPACES, "500_before", times=4)
    with pytest.raises(UnknownError), stage.stage(seed=1, faults=0, units=1):
        pass
    assert scene.calls(WORKSPACES) == 3


def test_what_the_vendor_does_not_show_is_decided_the_next_time(scene, played):
    run, wanted = approval(scene, "500_before")
    scene.fault(SUBMISSION, "500_before")
    assert list(person.decide(run)) == []
    assert scene.get(Operation, wanted.id).state is State.REVIEW
    (decided,) = person.decide(run)
    assert decided.faults == ["unknown"]
    assert "decided: retry" in decided.told
    scene.settle()
    assert report.report([run], played, [decided]).problems == []


def test_a_vendor_without_a_ledger_is_compared_by_its_list(scene, played):
    run = scene.live(2)
    first, _ = scene.completed(run, 2)
    scene.approve(run)
    scene.settle()
    foreign = replace(played, simulated=False)
    made = report.report([run], foreign, [])
    assert made.theirs == {"draft": 1, "publish": 1, "places": 2, "approve": 2}
    assert made.problems == []
    scene.simulator.state.set_status(first, "REJECTED")
    assert len(report.report([run], foreign, []).problems) == 1


def test_one_read_that_fails_does_not_keep_the_others_from_being_decided(scene):
    run = scene.live(2)
    for wanted in scene.approve(run, *scene.completed(run, 2)):
        in_review(wanted)
    scene.fault(SUBMISSION, "drop_before")
    assert len(list(person.decide(run))) == 1


def test_an_effect_that_is_there_is_confirmed(scene, played):
    run, wanted = approval(scene, "drop_after")
    (decided,) = person.decide(run)
    assert "decided: confirmed" in decided.told
    assert scene.get(Operation, wanted.id).state is State.CONFIRMED
    assert report.report([run], played, [decided]).problems == []


def test_a_decision_that_no_fault_explains_is_a_problem(scene, played):
    run, wanted = approval(scene)
    (decided,) = person.decide(run)
    assert "no request of it went wrong" in decided.told
    scene.settle()
    (problem,) = report.report([run], played, [decided]).problems
    assert problem.startswith(f"it came to a person without a fault: approve {wanted.id}: attempts used up")


def test_a_decision_that_evidence_has_overtaken_is_none(scene):
    run, wanted = approval(scene, "drop_after")

    def meanwhile(*_):
        with transaction() as session:
            engine.confirm(session, {wanted.id: {}})

    scene.simulator.on_exchange = meanwhile
    assert list(person.decide(run)) == []
    assert scene.get(Operation, wanted.id).state is State.CONFIRMED
