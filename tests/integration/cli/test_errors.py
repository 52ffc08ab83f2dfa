"""Every command explains itself, and every expected error is told in words and ends with its own exit code."""

import subprocess
import sys

import pytest
from sqlalchemy import make_url, select
from sqlalchemy.exc import OperationalError

from cli import failure, postgres
from cli.main import COMMANDS
from models.session import transaction
from models.settings import settings

NOT_THERE = {
    "run show nothing": "There is no run 'nothing'. Known: pictures.",
    "run watch nothing": "There is no run 'nothing'. Known: pictures.",
    "review approve --run nothing": "There is no run 'nothing'. Known: pictures.",
    "review approve --run pictures --agent 12345678": "There is no agent '12345678'.",
    "review soft-reject --agent 12345678": "There is no agent '12345678'.",
    "review reject --run nothing --category OTHER --message x": "There is no run 'nothing'. Known: pictures.",
    "run expire nothing": "There is no run 'nothing'. Known: pictures.",
    "run expire --unit 12345678": "There is no unit '12345678'.",
    "run pause nothing": "There is no run 'nothing'. Known: pictures.",
    "run resume nothing": "There is no run 'nothing'. Known: pictures.",
    "run again nothing": "There is no run 'nothing'. Known: pictures.",
    "run cleanup nothing": "There is no run 'nothing'. Known: pictures.",
    "qualification delete nothing": "There is no qualification 'nothing'. Known: none.",
    "run export nothing": "There is no run 'nothing'. Known: pictures.",
    "agent list --run nothing": "There is no run 'nothing'. Known: pictures.",
    "discrepancy list --run nothing": "There is no run 'nothing'. Known: pictures.",
    "discrepancy list --requester nobody": "There is no account 'nobody'. Known: lab.",
    "ops show 12345678": "There is no operation '12345678'.",
    "ops explain 1234": "There is no operation '1234'.",
    "ops retry x": "There is no operation 'x'.",
    "ops cancel 00000000-0000-0000-0000-000000000000": "There is no operation",
    "ops resolve 12345678 retry --note x": "There is no operation '12345678'.",
    "ops list --run nothing": "There is no run 'nothing'.",
    "requester pause nobody --reason x": "There is no account 'nobody'. Known: lab.",
    "requester resume nobody": "There is no account 'nobody'. Known: lab.",
    "reconcile --requester nobody": "There is no account 'nobody'. Known: lab.",
    "requester add x --provider mturk": "There is no provider 'mturk'; installed: prolific.",
}
HELPED = {
    "run": "launch list show watch expire pause resume again cleanup export",
    "qualification": "list delete",
    "agent": "list show",
    "review": "approve reject soft-reject",
    "ops": "list show explain retry cancel resolve",
    "discrepancy": "list show resolve",
    "db": "upgrade",
    "requester": "add",
}
USELESS = [
    ("CROWDOPS_DATABASE_URL", ""),
    ("CROWDOPS_DATABASE_URL", "hush"),
    ("CROWDOPS_DATABASE_URL", "mysql://crowdops:hush@127.0.0.1/crowdops"),
    ("CROWDOPS_DATABASE_URL", "postgresql+psycopg://crowdops:hush@127.0.0.1:port/crowdops"),
    ("CROWDOPS_BROKER_URL", ""),
    ("CROWDOPS_BROKER_URL", "hush"),
    ("CROWDOPS_BROKER_URL", "amqp://crowdops:hush@127.0.0.1//"),
    ("CROWDOPS_BROKER_URL", "redis://:hush@127.0.0.1:port/0"),
]


def test_every_command_has_help(crowdops):
    whole = crowdops("--help")
    for name in COMMANDS:
        assert name in whole
        assert "Usage: crowdops " + name in crowdops(name, "--help")
    for group, names in HELPED.items():
        for name in names.split():
            assert f"Usage: crowdops {group} {name}" in crowdops(group, name, "--help")


def test_help_does_not_load_the_fleet():
    asked = "import sys; from cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    checked = asked + "assert not {'sqlalchemy', 'celery', 'kombu', 'httpx'} & sys.modules.keys(), sys.modules.keys()"
    subprocess.run([sys.executable, "-c", checked], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize(
    "words",
    ["nonsense", "run nonsense", "run launch", "run launch a b", "ops list --state nonsense", "ops list --limit 0"],
)
def test_words_that_mean_nothing_are_bad_input(crowdops, words):
    assert "Usage" in crowdops(*words.split(), code=2)


def test_settings_that_cannot_be_used_are_bad_input(crowdops, monkeypatch):
    monkeypatch.setenv("CROWDOPS_CONCURRENCY", "many")
    assert "CROWDOPS_CONCURRENCY" in crowdops("run", "list", code=2)


@pytest.mark.usefixtures("scene")
@pytest.mark.parametrize("words", ["run list", "doctor"])
def test_an_address_that_cannot_be_used_is_bad_input_and_is_not_repeated(crowdops, monkeypatch, words):
    for variable, address in USELESS:
        with monkeypatch.context() as patch:
            patch.setenv(variable, address)
            settings.cache_clear()
            told = crowdops(*words.split(), code=2)
        assert told.startswith(f"{variable} holds no address that can be used")
        assert "hush" not in told


def test_a_home_that_cannot_be_made_says_which_and_what_to_do(crowdops, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    for home in (tmp_path / "file", tmp_path / "file" / "home"):
        monkeypatch.setenv("CROWDOPS_HOME", str(home))
        settings.cache_clear()
        told = crowdops("run", "list", code=4)
        assert told.startswith(f"{home} cannot be used: Not a directory")
        assert "set CROWDOPS_HOME" in told


def test_a_database_that_is_down_ends_with_its_own_code(crowdops, monkeypatch, broker_url, tmp_path):  # noqa: ARG001
    monkeypatch.setenv("CROWDOPS_DATABASE_URL", f"postgresql+psycopg://crowdops:hush@/crowdops?host={tmp_path}")
    told = crowdops("run", "list", code=4)
    assert told.startswith("The database cannot be used")
    assert "No such file or directory. Is the server running" in told
    assert "See what `crowdops doctor` says, and check CROWDOPS_DATABASE_URL" in told
    assert "hush" not in told


def test_an_embedded_database_that_is_down_is_not_looked_for_in_a_variable(scene, monkeypatch):  # noqa: ARG001 - it holds the servers
    monkeypatch.delenv("CROWDOPS_DATABASE_URL")
    settings.cache_clear()
    postgres.stop()
    with pytest.raises(OperationalError) as down, transaction() as session:
        session.execute(select(1))
    told = failure.told(down.value)
    assert told.code == 4
    assert "which the next command starts again" in told.message
    assert str(settings().home / "logs" / "postgres.log") in told.message
    assert "CROWDOPS_DATABASE_URL" not in told.message


def test_a_database_without_the_schema_says_how_to_get_it(crowdops, monkeypatch, database_url, broker_url):  # noqa: ARG001
    bare = make_url(database_url).set(database="postgres").render_as_string(hide_password=False)
    monkeypatch.setenv("CROWDOPS_DATABASE_URL", bare)
    assert "Run `crowdops db upgrade`" in crowdops("run", "list", code=4)


def test_the_schema_may_be_upgraded_again(crowdops, scene):  # noqa: ARG001 - it holds a migrated database
    assert "newest schema" in crowdops("db", "upgrade")


def test_what_is_not_there_has_its_own_code(crowdops, scene):
    scene.plan(1, "pictures")
    for words, told in NOT_THERE.items():
        assert told in crowdops(*words.split(), code=3), words
