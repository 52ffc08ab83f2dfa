"""Work is approved, marked and rejected by run, by agent and by file, all of it or none."""

import pytest

from models.agent import Agent
from models.operation import State
from tests.integration.scene import DECISION

WORDS = "The descriptions are single words where two to four whole sentences were asked for. " * 2
WHY = ("--category", "LOW_EFFORT", "--message", WORDS)
AGENT = "0" * 8 + "-0000-0000-0000-" + "0" * 12


@pytest.fixture
def done(scene):
    """A run of three units, two of which are handed in, so that it still recruits."""
    run = scene.live(3)
    scene.completed(run, 2)
    return run


@pytest.fixture
def file(tmp_path):
    """A function that writes a CSV file of lines."""

    def write(*lines):
        path = tmp_path / "work.csv"
        path.write_text("\n".join([*lines, ""]))
        return path

    return write


def agents(scene):
    return [str(agent.id) for agent in scene.all(Agent)]


def test_a_rejection_waits_while_the_study_recruits_and_expiring_the_run_lets_it_go(crowdops, data, scene, done):
    told = crowdops("review", "reject", "--run", "run", *WHY)
    assert "Planned for run: 2 rejections." in told
    assert "2 rejections wait: the study still recruits" in told
    assert "`crowdops run expire run` ends the recruiting now" in told
    assert data("review", "reject", "--run", "run", *WHY) == {
        "runs": [str(done)],
        "planned": 0,
        "existing": {"planned": 2},
        "waiting": 2,
        "left_alone": 0,
    }
    assert "2 rejections that waited for this will go out then" in crowdops("run", "expire", "run")
    scene.settle()
    assert scene.agent_words() == ["rejected"] * 2


def test_an_operation_that_waits_says_for_what_and_how_that_ends(crowdops, data, scene, done):  # noqa: ARG001
    crowdops("review", "reject", "--agent", agents(scene)[0], *WHY)
    waiting = scene.only("reject")
    assert "waits: the study still recruits" in crowdops("ops", "list", "--kind", "reject")
    assert data("ops", "show", waiting.id)["hold"].startswith("the study still recruits")
    told = crowdops("ops", "explain", waiting.id)
    assert f'so that it is not paid: LOW_EFFORT. The worker reads: "{WORDS.strip()}".' in told
    assert "It waits: the study still recruits" in told
    assert "or with `crowdops run expire run`" in told
    assert "goes on waiting: the study still recruits" in crowdops("ops", "retry", waiting.id)
    crowdops("run", "expire", "run")
    assert "The run is expired, so that is when its study is stopped." in crowdops("ops", "explain", waiting.id)


def test_a_process_that_has_seen_no_vendor_yet_knows_its_rules(scene, process, done):  # noqa: ARG001
    one = process("review", "reject", "--run", "run", "--category", "OTHER", "--message", "Too short.")
    assert "at least 100 characters" in one.communicate(timeout=60)[1]
    assert one.returncode == 2
    assert scene.operations("reject") == []


@pytest.mark.parametrize(
    ("why", "told"),
    [
        (("--category", "LOW_EFFORT", "--message", "Too short."), "at least 100 characters"),
        (("--category", "RUDE", "--message", WORDS), "knows no category 'RUDE'"),
        (("--category", "LOW_EFFORT"), "This needs --message as well."),
        ((), "This needs --category and --message as well."),
    ],
)
def test_a_reason_that_the_vendor_would_refuse_is_refused_before_anything_is_planned(crowdops, scene, done, why, told):  # noqa: ARG001 - it holds the work
    assert told in crowdops("review", "reject", "--run", "run", *why, code=2)
    assert scene.operations("reject") == []


def test_what_has_another_decision_is_left_alone_when_the_rest_of_a_run_is_decided_on(crowdops, data, scene, done):
    first, second = agents(scene)
    assert "Planned for run: 1 soft rejection." in crowdops("review", "soft-reject", "--agent", first)
    assert "Left alone, as another decision stands: 1 piece of work." in crowdops("review", "approve", "--run", "run")
    scene.settle()
    assert {str(agent.id): agent.status for agent in scene.all(Agent)} == {first: "soft_rejected", second: "approved"}
    assert data("review", "approve", "--agent", second)["runs"] == [str(done)]


def test_a_decision_that_was_withdrawn_can_be_made_again_in_other_words(crowdops, scene, done):  # noqa: ARG001
    agent = agents(scene)[0]
    crowdops("review", "reject", "--agent", agent, *WHY)
    wrong = scene.only("reject").id
    assert "has a decision already" in crowdops("review", "reject", "--agent", agent, *WHY[:3], WORDS + "!", code=2)
    assert "has a decision already" in crowdops("review", "approve", "--agent", agent, code=2)
    crowdops("ops", "cancel", wrong)
    told = crowdops("review", "reject", "--agent", agent, *WHY)
    assert "There already: 1 rejection (cancelled 1)." in told
    assert f"`crowdops ops retry`, such as {wrong}" in told
    assert "1 rejection." in crowdops("review", "reject", "--agent", agent, *WHY[:3], WORDS + "!")
    assert [row.state for row in scene.operations("reject")] == [State.CANCELLED, State.PLANNED]


def test_a_file_names_work_by_agent_or_submission_and_says_why_for_each(crowdops, scene, done, file):
    (one, other) = scene.all(Agent)
    path = file("agent,submission,message", f"{str(one.id)[:13]},,", f",{other.submission},{WORDS * 2}")
    assert "Planned for run: 2 rejections." in crowdops("review", "reject", "--csv", path, *WHY)
    messages = {row.agent_id: row.body["message"] for row in scene.operations("reject")}
    assert messages == {one.id: WORDS.strip(), other.id: (WORDS * 2).strip()}
    assert scene.calls(DECISION) == 0
    crowdops("run", "expire", done)
    scene.settle()
    assert scene.agent_words() == ["rejected"] * 2


def test_a_bad_row_refuses_the_whole_file_with_its_line(crowdops, scene, done, file):  # noqa: ARG001
    first, second = agents(scene)
    for lines, told in [
        (["agent", first, AGENT], "line 3: There is no agent"),
        (["submission", "nonsense"], "line 2: there is no submission nonsense"),
        (["agent", first, first], "line 3: names the same work as line 2"),
        (["agent", first, second, first[:12]], "line 4: names the same work as line 2"),
        (["agent,mesage", f"{first},x"], "line 2: there is no column 'mesage' here"),
        (["agent,status", ",approved"], "line 2: names no work"),
        (["agent"], "line 1: holds no rows"),
        (["agent,x,x"], "line 1: the header names the column 'x' 2 times"),
    ]:
        refused = crowdops("review", "approve", "--csv", file(*lines), code=2)
        assert told in refused, refused
        assert "Nothing was planned." in refused
    bad = file("agent,message,category", f"{first},{WORDS},OTHER", f"{second},too short,OTHER")
    assert "line 3: Prolific wants a message of at least" in crowdops("review", "reject", "--csv", bad, code=2)
    assert "line 2: has no category, and --category says none" in crowdops(
        "review", "reject", "--csv", file("agent", first), "--message", WORDS, code=2
    )
    scene.plan(1, "other")
    assert "line 2: Agent" in crowdops(
        "review", "approve", "--run", "other", "--csv", file("agent", first[:13]), code=2
    )
    assert scene.operations("approve", "reject") == []
    crowdops("review", "approve", "--agent", second)
    refused = crowdops("review", "reject", "--csv", file("agent", first, second), *WHY, code=2)
    assert f"line 3: The work of agent {second} has a decision already" in refused
    assert "line 2" not in refused
    assert scene.operations("reject") == []


def test_what_an_export_wrote_can_be_decided_on(crowdops, scene, done, tmp_path):  # noqa: ARG001
    crowdops("run", "export", "run", "--output", tmp_path / "work.csv")
    lines = (tmp_path / "work.csv").read_text().splitlines()
    (tmp_path / "chosen.csv").write_text("\n".join(lines[:3]) + "\n")
    assert "Planned for run: 2 approvals." in crowdops("review", "approve", "--csv", tmp_path / "chosen.csv")
    assert "line 4: names no work" in crowdops("review", "approve", "--csv", tmp_path / "work.csv", code=2)


def test_work_must_be_named_in_one_way(crowdops, scene, file):  # noqa: ARG001 - it holds the servers
    assert "Say which work" in crowdops("review", "approve", code=2)
    assert "not by both" in crowdops("review", "approve", "--agent", "x", "--csv", file("agent"), code=2)
    assert "cannot be read" in crowdops("review", "approve", "--csv", "nowhere.csv", code=2)
