"""Thousands of values go into one statement, each column of them as one array: Postgres parses every parameter."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, TableValuedAlias, any_, func, literal
from sqlalchemy.orm import QueryableAttribute
from sqlalchemy.types import TypeEngine


def among(column: QueryableAttribute[Any], values: Collection[Any]) -> ColumnElement[bool]:
    """Whether a column is one of these values."""
    return column == any_(literal(list(values), ARRAY(column.type)))


def table(rows: Sequence[Sequence[Any]], **columns: type[TypeEngine[Any]]) -> TableValuedAlias:
    """Rows of values as a table that a statement reads from; `columns` are the names and types of theirs."""
    values = zip(*rows, strict=True) if rows else [()] * len(columns)
    arrays = [literal(list(column), ARRAY(kind)) for column, kind in zip(values, columns.values(), strict=True)]
    return func.unnest(*arrays).table_valued(*columns).render_derived()
