"""The environment goes in, one frozen `Settings` comes out; only credentials are read elsewhere, where they are used.

Every name carries the prefix ``CROWDOPS_``. Unset database and broker mean the embedded servers of this checkout.
"""

import hashlib
import os
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class SettingsError(Exception):
    """The environment cannot be used as it is; the message names the variable and the remedy."""


class Timing(BaseModel):
    """Every duration the engine waits or limits, in seconds.

    The five limits must grow in the order deadline < soft < hard < lease < visibility: a request must be over before
    its task is stopped, the task before its claim lapses, and the claim before the broker delivers the message again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    http_deadline: float = 30
    soft_limit: float = 50
    hard_limit: float = 60
    lease: float = 120
    visibility: float = 300

    settle: float = 600
    """How long after a send the vendor may still show nothing although the effect happened.

    Absence counts only after it, wherever a second effect would add to the first.
    """
    pay_settle: float = 6 * 3600
    """The same for payments, which vendors carry out when they come to it; after it a person decides."""
    read_every: float = 10
    """First pause before an unknown outcome is read back; it doubles up to `back_off_max`."""
    back_off: float = 2
    """First pause after a request that was proven not sent; it doubles up to `back_off_max`."""
    back_off_max: float = 300
    nudge_window: float = 10
    """A row is not nudged twice within this time."""
    dispatch_every: float = 1
    reconcile_every: float = 60
    full_every: float = 3600
    """A listing of everything, however quiet the counts are."""
    audit_every: float = 900
    """A share of the payments is compared with what the vendor shows of them."""
    shown_after: float = 24 * 3600
    """How long after a payment the vendor must show it."""
    breaker_pause: float = 60
    """How long a storm of failures keeps an account paused."""
    max_attempts: int = 12
    late_work: float = 24 * 3600
    """How long after a time-out a run stays open for work that comes late all the same."""
    age_limit: float = 6 * 3600
    """An outcome that is still unknown after this long goes to a person."""

    @model_validator(mode="after")
    def _limits_in_order(self) -> Self:
        names = ("http_deadline", "soft_limit", "hard_limit", "lease", "visibility")
        values = [getattr(self, name) for name in names]
        if sorted(set(values)) != values:
            shown = ", ".join(f"{name}={value:g}" for name, value in zip(names, values, strict=True))
            raise ValueError(f"time limits must grow from http_deadline to visibility, but are {shown}")
        if self.lease < 3 * self.http_deadline or min(self.settle, self.pay_settle) < self.lease:
            raise ValueError("a lease must outlast three requests, and the settle times must outlast the lease")
        return self


PROFILES: dict[str, dict[str, float]] = {
    "production": {},
    "quick": {
        "http_deadline": 1.5,
        "soft_limit": 4,
        "hard_limit": 5,
        "lease": 6,
        "visibility": 20,
        "settle": 7,
        "pay_settle": 12,
        "read_every": 0.5,
        "back_off": 0.3,
        "back_off_max": 3,
        "nudge_window": 2,
        "dispatch_every": 0.5,
        "reconcile_every": 1,
        "full_every": 20,
        "audit_every": 3,
        "shown_after": 15,
        "breaker_pause": 3,
        "max_attempts": 30,
        "late_work": 10,
        "age_limit": 120,
    },
}


class Settings(BaseSettings):
    """What the environment says, checked; see `deploy/env.example` for every name with its meaning."""

    model_config = SettingsConfigDict(env_prefix="CROWDOPS_", env_nested_delimiter="__", frozen=True, extra="ignore")

    home: Path = Field(default_factory=lambda: Path(".crowdops"))
    database_url: SecretStr | None = None
    broker_url: SecretStr | None = None
    prolific_url: str | None = None
    profile: Literal["production", "quick"] = "production"
    timing: Timing = Timing()
    concurrency: int = Field(default=4, ge=1, le=64)
    """Requests that one task has in flight at a time."""
    flower_port: int = Field(default=5555, ge=1, le=65535)
    web_port: int = Field(default=8000, ge=1, le=65535)
    web_url: str | None = None
    """Where the task's page asks for a worker's data; it goes into the page's address as `api`."""
    failpoint: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _profile_fills_timing(cls, values: dict[str, Any]) -> dict[str, Any]:
        profile = PROFILES.get(values.get("profile", "production"), {})
        return values | {"timing": profile | dict(values.get("timing") or {})}

    @model_validator(mode="after")
    def _home_is_absolute(self) -> Self:
        object.__setattr__(self, "home", self.home.expanduser().resolve())
        return self

    @property
    def socket_dir(self) -> Path:
        """The short private directory of the embedded servers' sockets (a socket path may hold 107 bytes only)."""
        digest = hashlib.sha256(str(self.home).encode()).hexdigest()[:10]
        return Path("/tmp") / f"crowdops-{os.getuid()}-{digest}"  # noqa: S108 - made with mode 0700 and checked

    def secret(self) -> str:
        """The random password of the embedded database, made when it is first started."""
        try:
            return (self.home / "secret").read_text().strip()
        except FileNotFoundError:
            raise SettingsError(
                f"The embedded servers of {self.home} were never started. Run `crowdops up`, "
                "or set CROWDOPS_DATABASE_URL and CROWDOPS_BROKER_URL."
            ) from None

    def database(self) -> str:
        """The SQLAlchemy URL of the shared database."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"postgresql+psycopg://crowdops:{self.secret()}@/crowdops?host={self.socket_dir}&port=5432"

    def broker(self) -> str:
        """The kombu URL of the broker."""
        if self.broker_url is not None:
            return self.broker_url.get_secret_value()
        return f"redis+socket://{self.socket_dir}/valkey.sock"


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process.

    Raises:
        SettingsError: a variable is missing, malformed, or out of order.
    """
    try:
        return Settings()
    except ValidationError as error:
        lines = [f"CROWDOPS_{'__'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        raise SettingsError("The settings cannot be used:\n  " + "\n  ".join(lines)) from None
