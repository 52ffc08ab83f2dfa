"""Thousands of values go into one statement, each column of them as one array: Postgres parses every parameter."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, TableValuedAlias, Uuid, any_, func, literal
from sqlalchemy.types import TypeEngine


def among(column: Any, ids: Collection[UUID | None]) -> ColumnElement[bool]:  # noqa: ANN401 - a mapped column
    """Whether a column is one of these ids."""
    return column == any_(literal(list(ids), ARRAY(Uuid)))  # type: ignore[no-any-return] # of whatever a column is


def table(rows: Sequence[Sequence[Any]], **columns: type[TypeEngine[Any]]) -> TableValuedAlias:
    """Rows of values as a table that a statement reads from; `columns` are the names and types of theirs."""
    values = zip(*rows, strict=True) if rows else [()] * len(columns)
    arrays = [literal(list(column), ARRAY(kind)) for column, kind in zip(values, columns.values(), strict=True)]
    return func.unnest(*arrays).table_valued(*columns).render_derived()
