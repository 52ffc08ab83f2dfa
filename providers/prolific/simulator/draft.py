"""A researcher's description of a study goes in; out comes the checked one with Prolific's defaults, or a 400.

The required fields and their limits are those of CreateStudy and BaseStudy in the document.
"""

from collections.abc import Callable, Container, Iterator, Mapping
from http import HTTPStatus
from math import ceil, sqrt
from typing import Any

from providers.prolific.simulator.answer import ApiError

REQUIRED = (
    "name",
    "description",
    "external_study_url",
    "prolific_id_option",
    "completion_codes",
    "estimated_completion_time",
    "reward",
    "total_available_places",
)
DEFAULTS: Mapping[str, Any] = {
    "internal_name": None,
    "device_compatibility": [],
    "peripheral_requirements": [],
    "filters": [],
    "metadata": None,
}
ALLOWLIST, BLOCKLIST = "participant_group_allowlist", "participant_group_blocklist"
NEWCOMERS = "previous_studies_blocklist"
SUBMISSIONS_CONFIG: Mapping[str, Any] = {"max_submissions_per_participant": 1, "max_concurrent_submissions": -1}


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_text_or_null(value: object) -> bool:
    return value is None or isinstance(value, str)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_minutes(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 1


def _are_codes(value: object) -> bool:
    if not isinstance(value, list) or not value or not all(isinstance(code, dict) for code in value):
        return False
    words = [code.get("code") for code in value]
    whole = all({"code", "code_type", "actions"} <= code.keys() and isinstance(code["actions"], list) for code in value)
    return whole and len(set(map(str, words))) == len(words)


def _are_tasks(value: object) -> bool:
    return value is None or (
        isinstance(value, list)
        and all(isinstance(task, dict) and _is_text(task.get("external_url")) for task in value)
        and all(_is_count(task.get("total_allocation")) for task in value)
    )


def _are_filters(value: object) -> bool:
    return value is None or (isinstance(value, list) and all(map(_is_filter, value)))


def _is_filter(value: object) -> bool:
    if not isinstance(value, dict) or not _is_text(value.get("filter_id")):
        return False
    selected = value.get("selected_values")
    chosen = isinstance(selected, list) and all(isinstance(one, str) for one in selected)
    return chosen or isinstance(value.get("selected_range"), dict)


def _is_config(value: object) -> bool:
    """Limits are a number from 1 on, -1 for none, or null for the default."""
    return isinstance(value, dict) and all(
        limit is None or limit == -1 or _is_count(limit) for limit in map(value.get, SUBMISSIONS_CONFIG)
    )


CHECKS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "name": (_is_text, "This field must be a text that is not empty."),
    "description": (_is_text, "This field must be a text that is not empty."),
    "external_study_url": (_is_text, "This field must be a URL."),
    "internal_name": (_is_text_or_null, "This field must be a text or null."),
    "metadata": (_is_text_or_null, "This field must be a text or null."),
    "prolific_id_option": (
        lambda value: value in ("question", "url_parameters", "not_required"),
        "Use one of question, url_parameters, not_required.",
    ),
    "completion_codes": (_are_codes, "Give at least one code, each once, with code, code_type and actions."),
    "estimated_completion_time": (_is_minutes, "This field must be a number of minutes, 1 or more."),
    "maximum_allowed_time": (_is_minutes, "This field must be a number of minutes, 1 or more."),
    "reward": (_is_count, "This field must be a whole number of the sub-currency, 1 or more."),
    "total_available_places": (_is_count, "This field must be a whole number, 1 or more."),
    "access_details": (_are_tasks, "This field must be a list of external_url with total_allocation, or null."),
    "submissions_config": (_is_config, "This field must be an object, and its limits 1 or more, or -1."),
    "filters": (_are_filters, "Give a list of filter_id with selected_values or selected_range, or null."),
}


def checked(fields: Mapping[str, Any], project: str, groups: Container[str], studies: Container[str]) -> dict[str, Any]:
    """The fields of a study, which may speak of these participant groups and studies, with defaults filled in.

    Raises:
        ApiError: 400, with the problems by field.
    """
    problems = {name: ["This field is required."] for name in REQUIRED if name not in fields}
    problems |= {name: [text] for name, (valid, text) in CHECKS.items() if name in fields and not valid(fields[name])}
    if fields.get("project", project) != project:
        problems["project"] = ["There is no such project."]
    if not problems:
        unknown = [*_unknown(fields, "participant group", (ALLOWLIST, BLOCKLIST), groups)]
        unknown += _unknown(fields, "study", (NEWCOMERS,), studies)
        problems = _time_problems(fields) | ({"filters": unknown} if unknown else {})
    if problems:
        raise ApiError(HTTPStatus.BAD_REQUEST, problems)
    return {**DEFAULTS, "project": project, "maximum_allowed_time": least_time(fields), **fields} | {
        "completion_codes": [{"actor": "participant"} | code for code in fields["completion_codes"]],
        "submissions_config": _config(fields.get("submissions_config", {})),
    }


def _config(sent: Mapping[str, Any]) -> dict[str, Any]:
    return {**SUBMISSIONS_CONFIG, **{name: value for name, value in sent.items() if value is not None}}


def least_time(fields: Mapping[str, Any]) -> int:
    """The smallest maximum time that the document allows, in minutes: 2 + 2t + 2√t."""
    estimate: float = fields["estimated_completion_time"]
    return ceil(2 + 2 * estimate + 2 * sqrt(estimate))


def _time_problems(fields: Mapping[str, Any]) -> dict[str, list[str]]:
    least = least_time(fields)
    if fields.get("maximum_allowed_time", least) < least:
        return {"maximum_allowed_time": [f"For this estimated_completion_time it must be {least} minutes or more."]}
    return {}


def _unknown(fields: Mapping[str, Any], what: str, words: Container[str], known: Container[str]) -> Iterator[str]:
    """What filters name that is not there."""
    for one in fields.get("filters") or []:
        if one["filter_id"] in words:
            yield from (f"There is no {what} {key}." for key in one.get("selected_values", []) if key not in known)
