"""Everything that is printed: plain data goes in; tables in a terminal, plain lines in a pipe, or JSON come out."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def say(line: str) -> None:
    """Print one line of text."""
    typer.echo(_printable(line))


def document(data: object) -> None:
    """Print data as JSON: the only thing that goes to standard output then."""
    typer.echo(json.dumps(data, indent=2, default=plain))


def line_of_json(data: object) -> None:
    """Print data as JSON on one line, for a stream of them."""
    typer.echo(json.dumps(data, default=plain))


def facts(data: Mapping[str, object]) -> None:
    """Print names with their values; those without one are left out."""
    shown = [(name.replace("_", " "), cell(value)) for name, value in data.items() if value not in (None, "", {}, [])]
    if not sys.stdout.isatty():
        for name, value in shown:
            typer.echo(f"{name}: {value}")
        return
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    for name, value in shown:
        grid.add_row(name, Text(value))
    Console().print(grid)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> None:
    """Print rows under their columns; in a pipe the cells are separated by tabs."""
    cells = [[cell(value) for value in row] for row in rows]
    if not sys.stdout.isatty():
        for line in ([title] if title else []) + ["\t".join(row) for row in [list(columns), *cells]]:
            typer.echo(line)
        return
    made = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim")
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in cells:
        made.add_row(*(Text(value) for value in row))
    Console().print(made)


def cell(value: object) -> str:
    """A value as a person reads it, on one line."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        case Mapping():
            return ", ".join(f"{name} {cell(part)}" for name, part in value.items()) or "-"
        case list() | tuple():
            return ", ".join(cell(part) for part in value) or "-"
        case _:
            return _printable(str(value))


def counted(number: int, noun: str) -> str:
    """A number with what it counts: ``1 unit``, ``2 units``."""
    return f"{number} {noun if number == 1 else plural(noun)}"


def plural(noun: str) -> str:
    """A noun for more than one: ``units``, ``bonuses``, ``discrepancies``."""
    if noun.endswith("s"):
        return f"{noun}es"
    return f"{noun.removesuffix('y')}ies" if noun.endswith("cy") else f"{noun}s"


def _printable(text: str) -> str:
    """Without control characters: a vendor's words must not steer the terminal, or break a line."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def plain(value: object) -> Any:  # noqa: ANN401 - whatever JSON has for it
    """What JSON holds in the place of a value that it has no form for."""
    return value.isoformat() if isinstance(value, datetime) else str(value)
