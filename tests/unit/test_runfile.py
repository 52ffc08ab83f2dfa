"""A run file says exactly what a person wrote, and what is wrong with it is told with its line, all at once."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cli import money, runfile
from cli.failure import InputError
from providers.prolific.provider import ProlificArgs

EXAMPLE = Path(__file__).parents[2] / "examples" / "image-descriptions.yaml"
RUN = """\
name: pictures
title: Which is sharper?
description: Look at two pictures.
task_url: https://tasks.example.org/p
currency: GBP
pay: 1.20
budget: 500
estimated_minutes: 5
completion_codes: [C0DE]
requester: demo
units: units.csv
"""
UNITS = "left,right\n1.png,2.png\n3.png,4.png\n"


@pytest.fixture
def read(tmp_path):
    """A function that writes a run file and its units, and reads them."""

    def write_and_read(text=RUN, units=UNITS, name="units.csv", **options):
        (tmp_path / "run.yaml").write_text(text)
        (tmp_path / name).write_bytes(units if isinstance(units, bytes) else units.encode())
        return runfile.read(tmp_path / "run.yaml", lambda _: ProlificArgs, **options)

    return write_and_read


@pytest.fixture
def problems(read, tmp_path):
    """A function that reads a run file that is refused; the value is what is wrong with it."""

    def refused(*args, **options):
        with pytest.raises(InputError) as caught:
            read(*args, **options)
        lines = str(caught.value).replace(f"{tmp_path}/", "").splitlines()
        return [line for line in lines if not line.startswith("Nothing was launched")]

    return refused


def changed(**fields):
    """The text of the run file with other values, written as YAML would have them; None leaves a field out."""
    lines = [line for line in RUN.splitlines() if line.partition(":")[0] not in fields]
    return "\n".join([*lines, *(f"{name}: {value}" for name, value in fields.items() if value is not None), ""])


def test_the_example_is_a_run_of_200_units_that_pays_fairly():
    wanted = runfile.read(EXAMPLE, lambda _: ProlificArgs)
    assert wanted.places == 200
    assert wanted.file.currency == "GBP"
    assert wanted.file.pay * 60 / wanted.file.estimated_minutes >= 9
    assert wanted.file.pay * 200 * Decimal("1.4") <= wanted.file.budget, "Prolific's fee is a third, and VAT on it"
    assert len({row["image_id"] for row in wanted.rows}) == 200
    assert wanted.spec(sandbox=True).args["provider"]["device_compatibility"] == ["desktop", "tablet"]


@pytest.mark.parametrize(
    ("written", "minor"), [("1.20", 120), ('"1.20"', 120), ("1.2", 120), ("0.29", 29), ("1.15", 115), ("4", 400)]
)
def test_an_amount_is_read_exactly_as_it_is_written(read, written, minor):
    assert read(changed(pay=written)).spec(sandbox=True).pay_minor == minor


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("1.205", "has more decimals than GBP, which has 2"),
        ("1.200", "has more decimals than GBP, which has 2"),
        ("0", "must be more than zero"),
        ("0.00", "must be more than zero"),
        ("-1.20", "must be more than zero"),
        ("1e3", "must be an amount"),
        ("1:20", "must be an amount"),
        ("0x10", "must be an amount"),
        ('"1,200.00"', "must be an amount"),
        (".nan", "must be an amount"),
        ("[1.20]", "must be an amount"),
        ("null", "must be an amount"),
    ],
)
def test_an_amount_that_is_no_amount_is_refused(problems, written, told):
    (problem,) = problems(changed(pay=written))
    assert problem.startswith("run.yaml line 11: pay: ")
    assert told in problem


@pytest.mark.parametrize(("currency", "pay", "minor"), [("JPY", "150", 150), ("KWD", "0.125", 125), ("USD", "0.5", 50)])
def test_a_currency_has_its_own_decimals(read, currency, pay, minor):
    assert read(changed(currency=currency, pay=pay)).pay_minor == minor


def test_yen_are_not_divided(problems):
    assert problems(changed(currency="JPY", pay="1.5")) == [
        "run.yaml line 11: pay: has more decimals than JPY, which has 0"
    ]


@given(st.integers(1, 10**11), st.sampled_from(sorted(money.EXPONENTS)))
def test_every_amount_survives_being_written_and_read(minor, currency):
    written = money.shown(minor, currency).removeprefix(f"{currency} ").replace(",", "")
    assert money.minor(money.amount(written, currency), currency) == minor


def test_every_problem_is_told_at_once_with_its_line(problems):
    text = changed(titel="x", title=None, task_url="ftp://tasks.example.org", budget="no", completion_codes="[A, A]")
    units = "left,right\n1.png\n2.png,3.png\n4.png,5.png,6.png\n"
    assert problems(text, units) == [
        "run.yaml line 1: title: is missing",
        "run.yaml line 9: task_url: must be the http or https address of the task's page",
        "run.yaml line 10: budget: must be an amount in major units, such as 1.20",
        "run.yaml line 11: completion_codes: must not name a code twice",
        "run.yaml line 8: titel: there is no such field; is title meant?",
        "units.csv line 2: has 1 cells, but the header has 2",
        "units.csv line 4: has 3 cells, but the header has 2",
    ]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"currency": "XXX"}, "line 11: currency: must be the code of a currency that is known"),
        ({"currency": "gbp"}, "line 11: currency: must be the code of a currency that is known"),
        ({"name": '""'}, "line 11: name: String should have at least 1 character"),
        ({"name": '"a\\tb"'}, "line 11: name: must not hold control characters"),
        ({"description": '"a\\0b"'}, "line 11: description: must not hold control characters"),
        ({"task_url": "tasks.example.org"}, "line 11: task_url: must be the http or https address"),
        ({"task_url": "https://"}, "line 11: task_url: must be the http or https address"),
        ({"estimated_minutes": "0"}, "line 11: estimated_minutes: should be greater than or equal to 1"),
        ({"maximum_minutes": "4"}, "line 12: maximum_minutes: must not be less than estimated_minutes"),
        ({"completion_codes": "[]"}, "line 11: completion_codes: List should have at least 1 item"),
        ({"completion_codes": '[A, ""]'}, "line 11: completion_codes[1]: String should have at least 1 character"),
        ({"units_per_assignment": "0"}, "line 12: units_per_assignment: should be greater than or equal to 1"),
        ({"units": "units.xlsx"}, "units.xlsx: must be a .csv or a .jsonl file"),
    ],
)
def test_a_field_that_cannot_be_used_is_told_with_its_line(problems, fields, told):
    (problem,) = problems(changed(**fields))
    assert told in problem


def test_what_the_vendor_does_not_understand_is_told_with_its_line(problems):
    provider = "\n  device_compatibility:\n    - desktop\n    - fridge\n  colour: red"
    assert problems(changed(provider=provider)) == [
        "run.yaml line 15: provider.device_compatibility[1]: should be 'desktop', 'tablet' or 'mobile'",
        "run.yaml line 16: provider.colour: there is no such field",
    ]


def test_what_refers_to_itself_is_refused(problems):
    assert "run.yaml line 11: completion_codes[0]: " in problems(changed(completion_codes="&a [*a]"))[0]
    assert "run.yaml line 12: provider" in problems(changed(provider="{filters: &a [{b: *a}]}"))[0]


def test_the_vendors_own_fields_keep_their_types(read):
    provider = "{filters: [{filter_id: age, selected_range: {lower: 18, upper: 65.5}, since: 2026-01-01}]}"
    (found,) = read(changed(provider=provider)).spec(sandbox=True).args["provider"]["filters"]
    assert found == {"filter_id": "age", "selected_range": {"lower": 18, "upper": 65.5}, "since": "2026-01-01"}


def test_text_that_looks_like_something_else_stays_text(read):
    file = read(changed(name="2026-09-01", completion_codes="[0123, 1e5, yes]")).file
    assert file.name == "2026-09-01"
    assert file.completion_codes == ["0123", "1e5", "yes"]


def test_json_is_read_like_yaml(read, problems):
    data = yaml.safe_load(RUN) | {"pay": "1.20", "maximum_minutes": None}
    assert read(json.dumps(data, indent=1)).pay_minor == 120
    assert problems(json.dumps(data | {"pay": "x"}, indent=1))[0].startswith("run.yaml line 7: pay: ")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name: [a\n", "line 2: is not YAML"),
        ("name: a\nname: b\n", "line 2: is not YAML or JSON that can be used: name stands twice"),
        ("a: " + "[" * 5000, "is not YAML"),
        ("- a\n", "line 1: must hold fields"),
        ("", "line 1: must hold fields"),
        ("a: 1\n---\nb: 1\n", "is not YAML"),
        ("a: !!python/object:os.system {}\n", "is not YAML"),
    ],
)
def test_a_file_that_is_no_run_file_is_refused(problems, text, told):
    assert told in problems(text)[0]


def test_a_file_that_cannot_be_read_is_refused(tmp_path, problems):
    with pytest.raises(InputError, match=r"nowhere\.yaml cannot be read: No such file"):
        runfile.read(tmp_path / "nowhere.yaml", lambda _: ProlificArgs)
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        runfile.read(tmp_path, lambda _: ProlificArgs)
    assert "nowhere.csv cannot be read" in problems(changed(units="nowhere.csv"))[0]


@pytest.mark.parametrize(
    ("units", "told"),
    [
        ("", "line 1: holds no rows"),
        ("left,right\n", "line 1: holds no rows"),
        ("left,left\n1,2\n", "line 1: the header names the column 'left' 2 times"),
        ("left,\n1,2\n", "line 1: the header has a column without a name"),
        ("left;right\n1;2\n", "line 1: its cells must be separated by commas"),
        ('left,right\n"1\n2",3\n4\n', "line 4: has 1 cells, but the header has 2"),
        ('left,right\n"1,2\n', "line 2: is not CSV"),
        ("left,right\n1,\0\n", "line 2: "),
        (b"left,right\n1,2\n\xff,4\n", "line 3: is not UTF-8 text"),
    ],
)
def test_a_broken_csv_file_is_told_with_its_line(problems, units, told):
    assert f"units.csv {told}" in problems(RUN, units)[0]


@pytest.mark.parametrize(
    ("units", "told"),
    [
        ("", "line 1: holds no rows"),
        ('{"a": 1}\n\n[1]\n', "line 3: must be a JSON object"),
        ('{"a": 1}\n{"a": }\n', "line 2: is not JSON that can be stored"),
        ('{"a": 1, "a": 2}\n', "line 1: is not JSON that can be stored: a name stands twice"),
        ('{"a": NaN}\n', "line 1: is not JSON that can be stored: NaN"),
        ('{"a": 1e999}\n', "line 1: is not JSON that can be stored"),
        ('{"a": "\\u0000"}\n', "line 1: is not JSON that can be stored: holds a NUL character"),
        ('{"a": "\\ud800"}\n', "line 1: is not JSON that can be stored"),
        ('{"a": ' + "[" * 9999 + "\n", "line 1: is not JSON that can be stored"),
    ],
)
def test_a_broken_json_lines_file_is_told_with_its_line(problems, units, told):
    assert f"units.jsonl {told}" in problems(changed(units="units.jsonl"), units, "units.jsonl")[0]


def test_rows_are_read_as_they_are(read):
    text = 'left,right\n"a, b","c\nd"\n\n é ,\\u0000\n'
    assert read(units=b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()).rows == [
        {"left": "a, b", "right": "c\r\nd"},
        {"left": " é ", "right": "\\u0000"},
    ]
    lines = '{"a": {"b": [1, 2.5, null]}}\n{"c": "\\\\u0000 \u2028"}\n'
    assert read(changed(units="units.jsonl"), lines, "units.jsonl").rows == [
        {"a": {"b": [1, 2.5, None]}},
        {"c": "\\u0000 \u2028"},
    ]


def test_a_limit_takes_the_first_rows_and_is_another_run(read):
    first = read(limit=1)
    assert first.rows == [{"left": "1.png", "right": "2.png"}]
    assert first.spec(sandbox=True).content_hash != read().spec(sandbox=True).content_hash


def test_every_row_has_so_many_units(read):
    assert read(changed(units_per_assignment="3")).places == 6


def test_the_same_content_has_the_same_hash_however_it_is_written(read):
    plain = read().spec(sandbox=True).content_hash
    spelled = changed(pay='"1.2"', task="pictures", project="default", maximum_minutes="null", units="other.csv")
    assert read(spelled, name="other.csv").spec(sandbox=False).content_hash == plain
    for other in (changed(pay="1.21"), changed(title="x"), changed(provider="{study_labels: [ai]}")):
        assert read(other).spec(sandbox=True).content_hash != plain
    assert read(units=UNITS.replace("4", "5")).spec(sandbox=True).content_hash != plain


def test_a_message_stays_readable_however_much_is_wrong(problems):
    told = problems(RUN, "left,right\n" + "1\n" * 1000)
    assert len(told) == 51
    assert told[-1] == "and 950 more"


def test_what_workers_must_have_been_granted_is_read_and_what_makes_no_sense_is_told(read, problems):
    asked = [{"name": "careful"}, {"name": "score", "comparator": "GreaterThan", "value": 80}]
    spec = read(changed(qualifications=asked)).spec(sandbox=True)
    assert [row["comparator"] for row in spec.args["qualifications"]] == ["Exists", "GreaterThan"]
    (told,) = problems(changed(qualifications=[{"name": "score", "comparator": "GreaterThan"}]))
    assert "GreaterThan needs one whole number as its value" in told
    (told,) = problems(changed(qualifications=[{"name": "score", "comparator": "EqualTo", "valeu": 1, "value": 1}]))
    assert "there is no such field" in told
