"""The declarative base of every table: naming, types, keys, and the fallback identity of vendor classes."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, TypeVar
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, DateTime, Enum, MetaData, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Value = TypeVar("Value", bound=StrEnum)


class Base(DeclarativeBase):
    """Every table has a UUID key and the database's time of creation."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        },
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[UUID]: ARRAY(PG_UUID),
        int: BigInteger,
    }

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    created_at: Mapped[datetime] = mapped_column(server_default=text("crowdops_now()"))


def by_value(values: type[Value]) -> Enum:
    """A text column that holds the values of an enum and is checked by the database."""
    return Enum(
        values,
        native_enum=False,
        create_constraint=True,
        name=f"{values.__name__.lower()}_known",
        length=32,
        values_callable=lambda members: [member.value for member in members],
    )


class _Fallback(dict[str, Any]):
    """Rows of a vendor that is not installed load as the plain class instead of failing."""

    def __missing__(self, _provider_type: str) -> Any:  # noqa: ANN401 - a Mapper
        # SQLAlchemy asks only where a vendor's class is there, and that one knows the plain one.
        return next(iter(self.values())).base_mapper


def vendor_class(provider_type: str) -> dict[str, Any]:
    """Mapper arguments of one vendor's subclass."""
    return {"polymorphic_identity": provider_type}


def vendor_classes() -> dict[str, Any]:
    """Mapper arguments of a class with one subclass a vendor, told apart by `provider_type`."""
    return {"polymorphic_on": "provider_type", "_polymorphic_map": _Fallback()}
