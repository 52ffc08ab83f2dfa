"""The one clock of every decision: the database's own, plus an offset that is zero in production; and a stopwatch.

Tests and demonstrations move it with `advance`; nothing in the project decides by a process's wall clock.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, DateTime, Interval, ScalarSelect, bindparam, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base
from models.settings import Timing, settings


class Clock(Base):
    """The single row that says how far the project's time is ahead of the database's."""

    __tablename__ = "clock"

    ahead: Mapped[timedelta] = mapped_column(Interval, default=timedelta(0))


@cache
def now() -> ScalarSelect[datetime]:
    """The time as a scalar subquery, so that Postgres evaluates it once a statement and may use indexes."""
    return select(func.crowdops_now(type_=DateTime(timezone=True))).scalar_subquery()


def after(seconds: float) -> Any:  # noqa: ANN401 - an SQL expression of timestamp type
    """The time that many seconds from now, as an SQL expression."""
    return now() + timedelta(seconds=seconds)


def span(seconds: Callable[[Timing], float]) -> BindParameter[timedelta]:
    """A duration that is read from the settings when a statement is executed, so that the statement is made once."""
    return bindparam(None, callable_=lambda: timedelta(seconds=seconds(settings().timing)), type_=Interval)


def advance(session: Session, by: timedelta) -> None:
    """Move the project's time forward for every process at once."""
    session.execute(update(Clock).values(ahead=Clock.ahead + by))


def stopwatch() -> float:
    """Seconds to measure durations in this process by; it runs on while the machine is suspended, where it can."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
