"""The outcome table, row by row: what a vendor answers goes in, the one right class of outcome comes out."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.errors import (
    AccountError,
    NotSentError,
    ProviderError,
    RejectedError,
    ThrottledError,
    UnknownError,
)
from providers.outcome import PATIENCE, QUOTED, Answer, Broken, NotFoundError, Reply, outcome, redacted

WHAT = "POST /api/v1/studies/"
NESTED = json.dumps({"error": {"status": 400, "error_code": 1, "title": "Bad", "detail": "Too short."}}).encode()
BARE = json.dumps({"status": 400, "error_code": 1, "title": "Bad", "detail": {"name": ["Is required."]}}).encode()
DETAIL = b'{"detail": "Not found."}'
HTML = b"<html>Bad gateway</html>"
PARTICIPANT = "60bf9310e8dec401be6e9615"


def classify(status, body=b"{}", **headers):
    return outcome(WHAT, Reply(status, headers, body))


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize(
    ("body", "value"), [(b'{"id": 1}', {"id": 1}), (b"[]", []), (b'"done"', "done"), (b"null", None)]
)
def test_well_formed_success_is_an_answer(status, body, value):
    assert classify(status, body) == Answer(status, value)


def test_an_empty_204_is_an_answer_but_an_empty_200_is_unknown():
    assert classify(204, b"") == Answer(204, None)
    assert type(classify(200, b"")) is UnknownError


@pytest.mark.parametrize("body", [b"{}", HTML, b"", NESTED])
@pytest.mark.parametrize("status", [100, 300, 301, 302, 304, 307, 308, 408, 500, 502, 503, 504, 505, 599, 600, 999])
def test_redirects_timeouts_and_server_errors_are_unknown_whatever_the_body(status, body):
    assert type(classify(status, body)) is UnknownError


@pytest.mark.parametrize("body", [b"{}", HTML, b"", NESTED])
def test_429_is_throttled_whatever_the_body(body):
    assert type(classify(429, body)) is ThrottledError


@pytest.mark.parametrize("body", [b"{}", HTML, b"", NESTED, BARE])
@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_credential_concerns_the_account_whatever_the_body(status, body):
    assert type(classify(status, body)) is AccountError


@pytest.mark.parametrize(
    ("body", "said"), [(NESTED, "Bad: Too short."), (BARE, "Bad: name: Is required."), (DETAIL, "Not found.")]
)
@pytest.mark.parametrize("status", [400, 402, 404, 405, 409, 410, 415, 422, 451])
def test_other_well_formed_client_errors_are_refusals_with_the_vendors_words(status, body, said):
    result = classify(status, body)
    assert type(result) is (NotFoundError if status == 404 else RejectedError)
    assert str(result) == f"{WHAT}: the vendor refused (HTTP {status}): {said}"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        HTML,
        b"{}",
        b"[]",
        b"null",
        b'"no"',
        b'{"error": "no"}',
        b'{"error": {}}',
        b'{"error": {"title": 5, "detail": 7}}',
        b'{"error": {"title": "a", "title": "b"}}',
        b'{"detail": "cut o',
    ],
)
def test_a_client_error_without_a_readable_reason_is_unknown(body):
    assert type(classify(400, body)) is UnknownError


@pytest.mark.parametrize(
    "body",
    [
        HTML,
        b'{"id": "a", "id": "b"}',
        b'{"deep": {"x": 1, "x": 1}}',
        b'{"id": "cut',
        b'{"id": 1}{"id": 2}',
        b'{"cost": NaN}',
        b'{"cost": Infinity}',
        b'{"cost": 1e99999999999999999999}',
        b"1" * 5000,
        b"[" * 200_000,
        b'\xff\xfe{"id": 1}',
        '{"id": 1}'.encode("utf-16"),
    ],
)
def test_an_unreadable_success_is_unknown(body):
    assert type(classify(200, body)) is UnknownError


def test_fractions_are_decimals_and_never_floats():
    assert classify(200, b'{"fees": 283.34}').json == {"fees": Decimal("283.34")}


def test_nothing_written_is_not_sent_and_anything_written_is_unknown():
    assert type(outcome(WHAT, Broken("ConnectError", written=False))) is NotSentError
    assert type(outcome(WHAT, Broken("ReadError", written=True))) is UnknownError


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 0 "}, 0.0),
        ({"retry-after": "999999999"}, PATIENCE),
        ({"retry-after": "Sun, 22 Nov 2026 10:00:30 GMT", "date": "Sun, 22 Nov 2026 10:00:00 GMT"}, 30.0),
        ({"retry-after": "Sun, 22 Nov 2026 09:00:00 GMT", "date": "Sun, 22 Nov 2026 10:00:00 GMT"}, 0.0),
        ({"retry-after": "Sun, 22 Nov 2028 09:00:00 GMT", "date": "Sun, 22 Nov 2026 10:00:00 GMT"}, PATIENCE),
        ({"retry-after": "Sun, 22 Nov 2026 10:00:30 GMT"}, None),
        ({"retry-after": "Sun, 22 Nov 2026 10:00:30 GMT", "date": "Sun, 22 Nov 2026 10:00:00"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "1.5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "٣"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date_of_the_vendors_own_clock(headers, seconds):
    assert classify(429, b"", **headers).retry_after == seconds


def test_what_a_vendor_quotes_is_redacted_shortened_and_on_one_line():
    token = "aB3dEf6hIj9kLm2nOp5qRs8tUv1w"  # noqa: S105 - made up, to be looked for
    said = f"No {PARTICIPANT},4.25\r\nforged line {token} worker@example.org " + "x " * 500
    shown = str(classify(400, json.dumps({"title": "Bad", "detail": said}).encode()))
    for private in (PARTICIPANT, token, "worker@", "\n", "\r"):
        assert private not in shown
    assert len(shown) < QUOTED + 100


def test_a_participant_right_at_the_cut_is_not_half_shown():
    for pad in range(QUOTED - 30, QUOTED):
        shown = str(classify(400, json.dumps({"detail": "x " * (pad // 2) + PARTICIPANT}).encode()))
        assert PARTICIPANT[:6] not in shown


def test_field_names_and_common_words_survive_redaction():
    text = "total_available_places: may only grow (now 40)"
    assert redacted(text) == text


def test_an_answer_prints_no_body_and_no_header():
    assert "secret" not in repr(Reply(200, {"x": "secret"}, b"secret"))


@given(st.integers(100, 999), st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_have_exactly_one_outcome(status, body):
    result = classify(status, body)
    assert isinstance(result, Answer | ProviderError)
    assert not isinstance(result, Answer) or 200 <= status < 300


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["error", "title", "detail", "x"]), inner)
    ),
    max_leaves=8,
)


@given(st.integers(400, 499), JSON)
def test_no_json_of_an_error_breaks_the_table(status, value):
    assert isinstance(classify(status, json.dumps(value).encode()), ProviderError)
