"""Every comparator against what somebody was granted: less than, equal to, more than what is asked for, or nothing."""

import pytest
from pydantic import ValidationError

from models.requirement import Comparator, Requirement

GRANTED = (0, 1, 2, 3, None)
TABLE = {
    Comparator.GREATER_THAN: (2, "n n n y n"),
    Comparator.GREATER_THAN_OR_EQUAL_TO: (2, "n n y y n"),
    Comparator.LESS_THAN: (2, "y y n n n"),
    Comparator.LESS_THAN_OR_EQUAL_TO: (2, "y y y n n"),
    Comparator.EQUAL_TO: (2, "n n y n n"),
    Comparator.NOT_EQUAL_TO: (2, "y y n y n"),
    Comparator.EXISTS: (None, "y y y y n"),
    Comparator.DOES_NOT_EXIST: (None, "n n n n y"),
    Comparator.IN: ([1, 3], "n y n y n"),
    Comparator.NOT_IN: ([1, 3], "y n y n n"),
}


def test_every_comparator_is_in_the_table():
    assert set(TABLE) == set(Comparator)


@pytest.mark.parametrize("comparator", TABLE)
def test_a_requirement_is_met_as_its_comparator_says(comparator):
    value, row = TABLE[comparator]
    asked = Requirement(name="careful", comparator=comparator, value=value)
    assert ["y" if asked.is_met(granted) else "n" for granted in GRANTED] == row.split()


@pytest.mark.parametrize("comparator", TABLE)
def test_whoever_meets_it_is_in_the_group_that_is_let_in_or_not_in_the_one_that_is_kept_out(comparator):
    value, _ = TABLE[comparator]
    asked = Requirement(name="careful", comparator=comparator, value=value)
    assert [asked.is_met(one) for one in GRANTED] == [asked.group.is_met(one) != asked.keeps_out for one in GRANTED]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"comparator": "Exists", "value": 1}, "Exists takes no value"),
        ({"comparator": "In", "value": 1}, "In needs a list of whole numbers"),
        ({"comparator": "In", "value": []}, "a list of 1 to 50"),
        ({"comparator": "EqualTo"}, "EqualTo needs one whole number"),
        ({"comparator": "LessThan", "value": [1]}, "LessThan needs one whole number"),
        ({"comparator": "LessThan", "value": True}, "must be a whole number"),
        ({"comparator": "LessThan", "value": "1.5"}, "must be a whole number"),
        ({"comparator": "LessThan", "value": 10**18}, "must be a whole number"),
        ({"comparator": "Smaller", "value": 1}, "Input should be"),
        ({"name": " "}, "at least 1 character"),
    ],
)
def test_what_makes_no_sense_is_refused(fields, told):
    with pytest.raises(ValidationError, match=told):
        Requirement.model_validate({"name": "careful"} | fields)


def test_it_reads_as_a_person_would_say_it():
    asked = [Requirement(name="careful"), Requirement(name="score", comparator="In", value=[3, 1, 3])]
    assert [*map(str, asked)] == ["careful Exists", "score In 1, 3"]
