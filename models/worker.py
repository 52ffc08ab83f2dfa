"""A worker is a person at a vendor, known by the vendor's own pseudonym."""

from typing import Any

from sqlalchemy import UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, vendor_classes


class Worker(Base):
    """A person. `name` is the vendor's pseudonym: personal data that stays out of messages and logs."""

    __tablename__ = "worker"
    __table_args__ = (UniqueConstraint("provider_type", "name"),)
    __mapper_args__ = vendor_classes()

    provider_type: Mapped[str]
    name: Mapped[str]
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=text("'{}'"))
