"""A granted qualification is the number that one worker has in one qualification."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base
from models.qualification import Qualification


class GrantedQualification(Base):
    """One worker's number; 0 says that the worker is not qualified, which no row does not say."""

    __tablename__ = "granted_qualification"
    __table_args__ = (UniqueConstraint("worker_id", "qualification_id"), Index(None, "qualification_id"))

    worker_id: Mapped[UUID] = mapped_column(ForeignKey("worker.id"))
    qualification_id: Mapped[UUID] = mapped_column(ForeignKey("qualification.id"))
    value: Mapped[int]
    updated_at: Mapped[datetime] = mapped_column(server_default=text("crowdops_now()"))

    qualification: Mapped[Qualification] = relationship()
