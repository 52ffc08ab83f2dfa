"""The addresses that the environment names for servers are checked, before something deep inside fails on them."""

from collections.abc import Callable, Sequence

from kombu.utils.url import parse_url
from pydantic import SecretStr
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from models.settings import SettingsError, settings

_DATABASES = ("postgresql", "postgresql+psycopg")
_BROKERS = ("redis", "rediss", "redis+socket", "sentinel")


def check() -> None:
    """Refuse an address that no server could ever be reached at; it may hold a password, so it is not repeated.

    Raises:
        SettingsError: there is one.
    """
    named = settings()
    database = "postgresql+psycopg://USER:PASSWORD@HOST:5432/NAME"
    _refuse("CROWDOPS_DATABASE_URL", named.database_url, lambda url: make_url(url).drivername, _DATABASES, database)
    broker = "rediss://:PASSWORD@HOST:6379/0"
    _refuse("CROWDOPS_BROKER_URL", named.broker_url, lambda url: parse_url(url)["transport"], _BROKERS, broker)


def _refuse(
    variable: str, url: SecretStr | None, scheme: Callable[[str], str], known: Sequence[str], example: str
) -> None:
    try:
        good = url is None or scheme(url.get_secret_value()) in known
    except (ArgumentError, ValueError):
        good = False
    if not good:
        raise SettingsError(
            f"{variable} holds no address that can be used. Write it like {example}, "
            "or unset it: then an embedded server is started."
        )
