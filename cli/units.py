"""A CSV or JSON Lines file goes in, one row of data for each assignment comes out, or what is wrong with which line."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Never

from cli.document import canonical, read_text

Rows = list[dict[str, Any]]
Problems = list[str]


def read(path: Path) -> tuple[Rows, Problems]:
    """The rows of a file, and every problem with its line.

    Raises:
        InputError: the file cannot be read at all.
    """
    reader = {".csv": _csv_lines, ".jsonl": _json_lines}.get(path.suffix.lower())
    if reader is None:
        return [], [f"{path}: must be a .csv or a .jsonl file"]
    rows: Rows = []
    problems: Problems = []
    for line, found in reader(read_text(path)):
        if isinstance(found, str):
            problems.append(f"{path} line {line}: {found}")
        else:
            rows.append(found)
    if not rows and not problems:
        problems.append(f"{path} line 1: holds no rows")
    return rows, problems


Found = Iterator[tuple[int, dict[str, Any] | str]]
"""The number of a line with its row, or with what is wrong with it."""


def _csv_lines(text: str) -> Found:
    return csv_lines(io.StringIO(text, newline=""))


def csv_lines(lines: Iterable[str]) -> Found:
    """The rows of a CSV file whose first line is a header, each as a mapping, as its lines come."""
    header: list[str] | None = None
    for line, cells in _records(lines):
        if isinstance(cells, str):
            yield line, cells
        elif header is None:
            header = cells
            for problem in _header_problems(header):
                yield line, problem
        elif len(cells) != len(header):
            yield line, f"has {len(cells)} cells, but the header has {len(header)}"
        elif "\0" in "".join(cells):
            yield line, "holds a NUL character"
        else:
            yield line, dict(zip(header, cells, strict=True))


def _records(lines: Iterable[str]) -> Iterator[tuple[int, list[str] | str]]:
    """Records with the line they begin on, for a quoted cell may hold several lines; empty lines are left out."""
    reader = csv.reader(lines, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, f"is not CSV: {error}"
            return
        if cells:
            yield line, cells


def _header_problems(header: list[str]) -> Iterator[str]:
    if len(header) == 1 and any(mark in header[0] for mark in ";\t"):
        yield "its cells must be separated by commas"
    if any(not name.strip() for name in header):
        yield "the header has a column without a name"
    for name in sorted({name for name in header if name.strip() and header.count(name) > 1}):
        yield f"the header names the column {name!r} {header.count(name)} times"


def _json_lines(text: str) -> Found:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, _row(line)


def _row(line: str) -> dict[str, Any] | str:
    try:
        found = json.loads(line, object_pairs_hook=_unique, parse_constant=_refused)
        canonical(found)
    except (ValueError, RecursionError) as error:
        return f"is not JSON that can be stored: {error}"
    return found if isinstance(found, dict) else "must be a JSON object"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name stands twice")
    return made


def _refused(constant: str) -> Never:
    raise ValueError(f"{constant} is not a number of JSON")
