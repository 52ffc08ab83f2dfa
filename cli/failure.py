"""What can go wrong at the command line: an error goes in, an exit code and words for a person come out.

Exit codes: 1 something failed, 2 bad input, 3 no such thing, 4 the database or the broker is down.
"""

from typing import Literal, NamedTuple

import psycopg.errors
from kombu.exceptions import OperationalError as BrokerDownError
from redis import RedisError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from cli import daemon, postgres, valkey
from cli.place import ServerError
from models.budget import BudgetError
from models.ledger import MixedCurrencyError
from models.plan import ConflictError
from models.qualification import UnknownQualificationError
from models.settings import SettingsError, settings
from models.status import IllegalMoveError
from providers import UnknownProviderError
from providers.errors import AccountError, ProviderError


class FailedError(Exception):
    """Something that was tried did not work; the message says what to do."""


class InputError(Exception):
    """What was typed or written in a file cannot be used; nothing was changed."""


class UnknownNameError(LookupError):
    """There is nothing of that name or id; the message lists what there is."""


class Told(NamedTuple):
    """How a command that failed ends."""

    code: int
    said: str
    remedy: str = ""

    @property
    def message(self) -> str:
        """The whole, for a person."""
        return f"{self.said} {self.remedy}".rstrip()


_CODES: tuple[tuple[tuple[type[Exception], ...], int], ...] = (
    ((FailedError, MixedCurrencyError, ProviderError), 1),
    ((InputError, BudgetError, ConflictError, IllegalMoveError, SettingsError), 2),
    ((UnknownNameError, UnknownProviderError, UnknownQualificationError), 3),
    ((ServerError, OperationalError, InterfaceError, BrokerDownError, RedisError), 4),
)
_OUTDATED = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.UndefinedFunction)


def told(error: Exception) -> Told | None:
    """The exit code and the words for an expected error; None for one that is a bug and deserves its traceback."""
    if isinstance(error, DBAPIError) and isinstance(error.orig, _OUTDATED):
        return Told(4, "The database does not have the schema of this version.", "Run `crowdops db upgrade`.")
    for kinds, code in _CODES:
        if isinstance(error, kinds):
            return Told(code, *_words(error))
    return None


def asked(error: Exception) -> str:
    """Why a command could not ask a vendor; the error's own words speak of the workers only."""
    if isinstance(error, AccountError):
        return f"{error} Commands ask the vendor too, so this terminal needs the token as well as the workers."
    return str(error)


def _words(error: Exception) -> tuple[str, str]:
    match error:
        case ProviderError():
            return asked(error), ""
        case DBAPIError():
            return f"The database cannot be used: {_sentences(error.orig)}", _remedy("database", postgres.NAME)
        case BrokerDownError() | RedisError():
            return f"The broker cannot be used: {_sentences(error)}", _remedy("broker", valkey.NAME)
        case _:
            return str(error), ""


def _sentences(error: object) -> str:
    """What a server's library says, whose lines have no full stop."""
    lines = [line.strip().rstrip(".") for line in str(error).splitlines()]
    return " ".join(line if line.endswith((":", "?")) else f"{line}." for line in lines if line)


def _remedy(server: Literal["database", "broker"], name: str) -> str:
    url = settings().database_url if server == "database" else settings().broker_url
    if url is None:
        return f"It is the embedded one, which the next command starts again; its log is {daemon.log_of(name)}."
    return f"See what `crowdops doctor` says, and check CROWDOPS_{server.upper()}_URL."
