"""Settings: the environment is checked at the start, and secrets stay out of what is printed."""

import pytest
from pydantic import ValidationError

from models.settings import PROFILES, Settings, SettingsError, Timing, settings


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    for name in ("DATABASE_URL", "BROKER_URL", "HOME", "PROFILE", "TIMING__LEASE"):
        monkeypatch.delenv(f"CROWDOPS_{name}", raising=False)
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_keeps_its_limits_in_order(profile):
    timing = Timing(**PROFILES[profile])

    assert timing.http_deadline < timing.soft_limit < timing.hard_limit < timing.lease < timing.visibility
    assert timing.http_deadline + timing.lease / 3 < timing.lease


def test_limits_out_of_order_are_refused_by_name():
    with pytest.raises(ValidationError, match=r"must grow from http_deadline to visibility.*lease=400"):
        Timing(lease=400)


@pytest.mark.parametrize(("wrong", "limit"), [("http_deadline", 45), ("settle", 100)])
def test_a_lease_outlasts_three_requests_and_the_settle_time_outlasts_it(wrong, limit):
    with pytest.raises(ValidationError, match="outlast"):
        Timing(**{wrong: limit})


def test_a_wrong_environment_names_the_variable(monkeypatch):
    monkeypatch.setenv("CROWDOPS_PROFILE", "fast")

    with pytest.raises(SettingsError, match="CROWDOPS_PROFILE"):
        settings()


def test_one_limit_of_a_profile_can_be_set_alone(monkeypatch):
    monkeypatch.setenv("CROWDOPS_TIMING__LEASE", "150")

    assert settings().timing.lease == 150
    assert settings().timing.http_deadline == Timing().http_deadline


def test_limits_out_of_order_in_the_environment_are_refused(monkeypatch):
    monkeypatch.setenv("CROWDOPS_TIMING__LEASE", "10")

    with pytest.raises(SettingsError, match="must grow"):
        settings()


def test_urls_are_not_shown_with_their_passwords():
    shown = repr(Settings(database_url="postgresql://u:s3cret@h/d", broker_url="redis://:s3cret@h"))

    assert "s3cret" not in shown


def test_two_homes_have_two_socket_directories_short_enough_for_a_socket(tmp_path):
    one, two = (Settings(home=tmp_path / ("deep/" * 30) / name) for name in "ab")

    assert one.socket_dir != two.socket_dir
    assert len(str(one.socket_dir / ".s.PGSQL.5432")) < 107


def test_a_home_that_was_never_started_says_what_to_do(tmp_path):
    with pytest.raises(SettingsError, match="crowdops up"):
        Settings(home=tmp_path).database()
