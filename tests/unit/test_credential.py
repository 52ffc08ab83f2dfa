"""A credential is a reference that is resolved late, and never shows what it holds."""

import traceback

import pytest

from providers.credential import resolve, split
from providers.errors import AccountError

SECRET = "s3cr3t-t0ken"  # noqa: S105 - made up, to be looked for


def test_a_variable_of_the_environment_is_read_anew_each_time(monkeypatch):
    monkeypatch.setenv("VENDOR_TOKEN", f" {SECRET}\n")
    assert resolve("env:VENDOR_TOKEN").get_secret_value() == SECRET
    monkeypatch.setenv("VENDOR_TOKEN", "rotated")
    assert resolve("env:VENDOR_TOKEN").get_secret_value() == "rotated"


def test_a_file_is_read_without_its_last_newline(tmp_path):
    (tmp_path / "token").write_text(f"{SECRET}\n")
    assert resolve(f"file:{tmp_path}/token").get_secret_value() == SECRET


def test_the_secret_does_not_print(monkeypatch):
    monkeypatch.setenv("VENDOR_TOKEN", SECRET)
    secret = resolve("env:VENDOR_TOKEN")
    assert SECRET not in f"{secret} {secret!r} {[secret]}"


@pytest.mark.parametrize(
    "reference",
    [SECRET, "", "env:", "env:A B", "env:A=B", "file:", "file:relative", "ENV:X", "http://x", f"token:{SECRET}", "env"],
)
def test_anything_else_is_refused_and_not_repeated_since_it_may_be_the_secret(reference):
    for read in (split, resolve):
        with pytest.raises(AccountError, match=r"env:NAME .* file:/absolute/path") as caught:
            read(reference)
        assert SECRET not in str(caught.value)


def test_the_form_alone_can_be_checked_where_the_secret_is_not():
    assert split("env:NOT_SET_HERE") == ("env", "NOT_SET_HERE")
    assert split("file:/run/secrets/x") == ("file", "/run/secrets/x")


def test_a_missing_secret_names_its_place_and_the_remedy(tmp_path, monkeypatch):
    monkeypatch.delenv("VENDOR_TOKEN", raising=False)
    with pytest.raises(AccountError, match=r"no secret at env:VENDOR_TOKEN.*resume"):
        resolve("env:VENDOR_TOKEN")
    with pytest.raises(AccountError, match=r"cannot be read: No such file.*resume"):
        resolve(f"file:{tmp_path}/absent")
    (tmp_path / "empty").write_text(" \n")
    with pytest.raises(AccountError, match="no secret at"):
        resolve(f"file:{tmp_path}/empty")


@pytest.mark.parametrize("content", [b"two\nlines", b"a b", b"caf\xc3\xa9", b"x" * 5000, b"nul\0"])
def test_what_cannot_be_a_header_is_refused_without_being_shown(tmp_path, content):
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(AccountError) as caught:
        resolve(f"file:{tmp_path}/token")
    assert content.decode() not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None
