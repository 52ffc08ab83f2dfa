"""A CSV file that names work goes in; a row for each piece of work comes out, or what is wrong with which line."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cli import export, units
from cli.document import lines, refusal

OUTCOME = "Nothing was planned."
Words = Mapping[str, str | None]
"""What goes with a decision, by the name of its column, with what was typed for all rows."""
_NAMES = ("agent", "submission")


@dataclass(frozen=True, slots=True)
class Row:
    """A piece of work by its agent, its submission, or both, with the words of its decision."""

    line: int
    agent: str
    submission: str
    words: tuple[str, ...]


def read(path: Path, words: Words) -> list[Row]:
    """The rows of a file; what a row does not say, the words say for it.

    Raises:
        InputError: with every problem and its line, or because the file cannot be read.
    """
    rows: list[Row] = []
    problems: list[str] = []
    for found in stream(path, words):
        if isinstance(found, str):
            problems.append(found)
        else:
            rows.append(found)
    problems += _twice(path, rows)
    if problems:
        raise refusal(problems, OUTCOME)
    return rows


def stream(path: Path, words: Words) -> Iterator[Row | str]:
    """The rows of a file as they are read, or what is wrong with a line; no two rows are compared.

    Raises:
        InputError: the file cannot be read.
    """
    empty = True
    for line, found in units.csv_lines(lines(path)):
        empty = False
        wrong = [found] if isinstance(found, str) else list(_problems(found, words))
        yield from (f"{path} line {line}: {problem}" for problem in wrong)
        if not isinstance(found, str) and not wrong:
            yield _row(line, found, words)
    if empty:
        yield f"{path} line 1: holds no rows"


def _problems(cells: Mapping[str, str], words: Words) -> Iterator[str]:
    for name in cells:
        if name not in (*_NAMES, *words, *export.COLUMNS) and not name.startswith(export.PREFIXES):
            known = ", ".join((*_NAMES, *words))
            yield f"there is no column {name!r} here; there are {known}, and those of `crowdops run export`"
    if not any(cells.get(name, "").strip() for name in _NAMES):
        yield "names no work: a column `agent` or `submission` must"
    for name, default in words.items():
        if not (cells.get(name, "").strip() or default):
            yield f"has no {name}, and --{name} says none for all rows"


def _row(line: int, cells: Mapping[str, str], words: Words) -> Row:
    agent, submission = (cells.get(name, "").strip() for name in _NAMES)
    said = {name: cells.get(name, "").strip() or (default or "") for name, default in words.items()}
    return Row(line, agent, submission, tuple(said.values()))


def _twice(path: Path, rows: list[Row]) -> Iterator[str]:
    first: dict[tuple[str, str], int] = {}
    for row in rows:
        before = first.setdefault((row.agent, row.submission), row.line)
        if before != row.line:
            yield f"{path} line {row.line}: names the same work as line {before}"
