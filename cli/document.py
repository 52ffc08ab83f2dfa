"""A YAML or JSON file goes in; its values come out as the text that stands there, with the line of every field.

Text, because a number that YAML reads as a float has lost what a person wrote.
"""

import json
import re
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cli.failure import InputError

SHOWN = 50
"""Problems that one message lists at most."""
_TAG = "tag:yaml.org,2002:"
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


class _Values(yaml.SafeLoader):
    """Numbers, booleans, lists and mappings; dates stay text, and a name that stands twice is noted."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        names: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in names:
                    raise yaml.MarkedYAMLError(problem=f"{key.value} stands twice", problem_mark=key.start_mark)
                names.add(key.value)
        return super().construct_mapping(node, deep)


class _Texts(_Values):
    """The same, with every scalar but null as its text."""


def _as_written(_loader: _Values, node: yaml.ScalarNode) -> str:
    return str(node.value)


for _name in ("timestamp", "binary"):
    _Values.add_constructor(_TAG + _name, _as_written)
for _name in ("timestamp", "binary", "bool", "int", "float"):
    _Texts.add_constructor(_TAG + _name, _as_written)


@dataclass(slots=True)
class Document:
    """A file that was read, and what is wrong with it."""

    path: Path
    root: yaml.MappingNode
    data: dict[str, Any]
    problems: list[str] = field(default_factory=list)

    def problem(self, at: Sequence[str | int], reason: str) -> None:
        """Note what is wrong with a field."""
        self.problems.append(f"{self.path} line {self._line(at)}: {_named(at)}: {reason}")

    def value(self, name: str) -> Any:  # noqa: ANN401 - whatever YAML holds
        """A field of the file with its own types, instead of text."""
        node = next(value for key, value in self.root.value if key.value == name)
        return _construct(self.path, node, _Values)

    def refusal(self) -> InputError:
        """The error that tells every problem on a line of its own."""
        return refusal(self.problems, "Nothing was launched.")

    def _line(self, at: Sequence[str | int]) -> int:
        """The line of a field, or of the nearest thing around it that is there."""
        line, node = 1, self.root
        for part in at:
            if isinstance(node, yaml.MappingNode):
                found = [pair for pair in node.value if pair[0].value == part]
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
                found = [(item, item) for item in node.value[part : part + 1]]
            else:
                found = []
            if not found:
                break
            line, node = found[-1][0].start_mark.line + 1, found[-1][1]
        return line


def refusal(problems: Sequence[str], outcome: str) -> InputError:
    """The error that tells problems on a line each, and what was not done therefore."""
    more = len(problems) - SHOWN
    lines = [*problems[:SHOWN], *([f"and {more} more"] if more > 0 else [])]
    return InputError("\n".join([*lines, f"{outcome} Mend this and try again."]))


def load(path: Path) -> Document:
    """Read a file.

    Raises:
        InputError: it cannot be read, is not YAML or JSON, or is not a mapping.
    """
    text = read_text(path)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise _unreadable(path, error) from None
    if not isinstance(root, yaml.MappingNode):
        raise InputError(f"{path} line 1: must hold fields, such as `name: ...`. See examples/ for a whole file.")
    return Document(path, root, _construct(path, root, _Texts))


def read_text(path: Path) -> str:
    """The content of a UTF-8 file.

    Raises:
        InputError: it is not there, cannot be read, or is not UTF-8.
    """
    try:
        content = path.read_bytes()
        return content.decode("utf-8-sig")
    except OSError as error:
        raise _unusable(path, error) from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path} line {line}: is not UTF-8 text. Save the file as UTF-8.") from None


def lines(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 file, with their ends, as they are read.

    Raises:
        InputError: it is not there, cannot be read, or is not UTF-8.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            yield from stream
    except OSError as error:
        raise _unusable(path, error) from None
    except UnicodeDecodeError:
        read_text(path)  # It knows the line.


def canonical(value: object) -> str:
    """The one JSON text of a value.

    Raises:
        ValueError: the database could not store it.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    text.encode()  # A lone half of a surrogate pair ends here.
    if _NUL.search(text):
        raise ValueError("holds a NUL character")
    return text


def _construct(path: Path, node: yaml.Node, loader: type[_Values]) -> Any:  # noqa: ANN401 - whatever YAML holds
    try:
        return loader("").construct_document(node)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> InputError:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    line = f" line {mark.line + 1}" if mark else ""
    return InputError(f"{path}{line}: is not YAML or JSON that can be used: {problem or error}.")


def _unusable(path: Path, error: OSError) -> InputError:
    return InputError(f"{path} cannot be read: {error.strerror}.")


def _named(at: Sequence[str | int]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in at).removeprefix(".")
