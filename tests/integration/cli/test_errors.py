"""Every command explains itself, and every expected error is told in words and ends with its own exit code."""

import subprocess
import sys

import pytest
from sqlalchemy import make_url

from cli.main import COMMANDS

NOT_THERE = {
    "run show nothing": "There is no run 'nothing'. Known: pictures.",
    "run watch nothing": "There is no run 'nothing'. Known: pictures.",
    "review approve --run nothing": "There is no run 'nothing'. Known: pictures.",
    "review approve --run pictures --agent 12345678": "There is no agent '12345678'.",
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


def test_every_command_has_help(crowdops):
    whole = crowdops("--help")
    for name in COMMANDS:
        assert name in whole
        assert "Usage: crowdops " + name in crowdops(name, "--help")
    for words in ("run launch", "run list", "run show", "run watch", "review approve", "db upgrade", "requester add"):
        assert "Usage: crowdops " + words in crowdops(*words.split(), "--help")
    for words in ("list", "show", "explain", "retry", "cancel", "resolve"):
        assert "--help" in crowdops("ops", words, "--help")


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


def test_a_database_that_is_down_ends_with_its_own_code(crowdops, monkeypatch, broker_url, tmp_path):  # noqa: ARG001
    monkeypatch.setenv("CROWDOPS_DATABASE_URL", f"postgresql+psycopg://crowdops:hush@/crowdops?host={tmp_path}")
    told = crowdops("run", "list", code=4)
    assert told.startswith("The database cannot be used")
    assert "crowdops doctor" in told
    assert "hush" not in told


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
