"""Where long output goes: a file that appears only when it is whole, or standard output once all of it is there."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from tempfile import TemporaryFile, mkstemp
from typing import TextIO

import typer

from cli.failure import InputError


@contextmanager
def to(path: Path | None) -> Iterator[TextIO]:
    """A stream for the block to write to; a failure in it leaves nothing, and what stood in the file before.

    A slow reader of standard output must not keep a transaction open, so that output waits in a file of its own.

    Raises:
        InputError: the file cannot be written.
    """
    with _file(path) if path is not None else _screen() as stream:
        yield stream


@contextmanager
def _screen() -> Iterator[TextIO]:
    with TemporaryFile() as kept:
        stream = TextIOWrapper(kept, encoding="utf-8", newline="", write_through=True)
        yield stream
        stream.flush()
        kept.seek(0)
        out = typer.get_binary_stream("stdout")
        shutil.copyfileobj(kept, out)
        out.flush()


@contextmanager
def _file(path: Path) -> Iterator[TextIO]:
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is no file that can be written.")
    try:
        number, made = mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from None
    try:
        with os.fdopen(number, "w", encoding="utf-8", newline="") as stream:
            yield stream
        Path(made).replace(path)
    except BaseException:
        Path(made).unlink(missing_ok=True)
        raise
