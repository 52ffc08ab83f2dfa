"""What went wrong goes in, a refusal by name comes out: a status, a word for programs and a sentence for people."""

import logging
import traceback
from collections.abc import Mapping
from http import HTTPStatus
from math import ceil

from fastapi import FastAPI, Request
from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from providers.errors import AccountError, ProviderError, ThrottledError
from tasks import refusal

log = logging.getLogger(__name__)

SOON, LATER = 5, 30
"""Seconds until it is worth trying again: by itself, or once a person has mended something. Nobody waits for longer."""
BY_NAME: Mapping[type[refusal.RefusedError], tuple[int, str]] = {
    refusal.NotTheirsError: (403, "not_yours"),
    refusal.WrongTokenError: (403, "wrong_token"),
    refusal.UnknownError: (404, "unknown"),
    refusal.SecondUnitError: (409, "second_unit"),
    refusal.ConflictError: (409, "conflict"),
    refusal.OverError: (410, "over"),
    refusal.WrongCodeError: (400, "wrong_code"),
    refusal.PausedError: (503, "paused"),
    refusal.BusyError: (503, "busy"),
}
AGAIN: Mapping[type[refusal.RefusedError], int] = {refusal.PausedError: LATER, refusal.BusyError: SOON}
"""Seconds after which those pass."""


class DeniedError(Exception):
    """The door itself says no."""

    def __init__(self, status: int, name: str, detail: str, **headers: str) -> None:
        """Keep what is answered; a header's name is written with underscores."""
        super().__init__(detail)
        self.status, self.name, self.detail = status, name, detail
        self.more: Mapping[str, str | None] = {}
        self.headers = {word.replace("_", "-"): value for word, value in headers.items()}


class Unforeseen:
    """Answers for an error that nobody foresaw; its text, which may hold ids, is neither told nor logged."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand before the application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer, or do it instead."""
        try:
            await self._app(scope, receive, send)
        except ClientDisconnect:
            return  # Nobody is there to be answered, and it is nobody's error.
        except Exception as error:
            if scope["type"] != "http":
                raise
            where = "".join(traceback.format_tb(error.__traceback__))
            log.error("A request failed with %s.\n%s", type(error).__name__, where)  # noqa: TRY400 - see above
            await _answer(Request(scope), error)(scope, receive, send)


def install(app: FastAPI) -> None:
    """Answer every refusal and failure in one form."""
    for kind in (DeniedError, HTTPException, refusal.RefusedError, ProviderError, SQLAlchemyError):
        app.add_exception_handler(kind, _answer)
    app.add_middleware(Unforeseen)


def _answer(_request: Request, error: Exception) -> JSONResponse:
    denied = error if isinstance(error, DeniedError) else _denied(error)
    said = {"error": denied.name, "detail": denied.detail, **denied.more}
    return JSONResponse(said, denied.status, denied.headers)


def _denied(error: Exception) -> DeniedError:
    match error:
        case HTTPException():
            status = HTTPStatus(error.status_code)
            return DeniedError(status, status.name.lower(), f"{status.phrase}.", **dict(error.headers or {}))
        case refusal.RefusedError():
            return _refused(error)
        case ProviderError():
            return _silent(error)
        case SQLAlchemyError():
            return _database(error)
    return DeniedError(500, "failed", "Something went wrong here. Please try again later.")


def _refused(error: refusal.RefusedError) -> DeniedError:
    seconds = AGAIN.get(type(error))
    headers = {"Retry_After": str(seconds)} if seconds else {}
    status, name = BY_NAME.get(type(error), (403, "refused"))
    denied = DeniedError(status, name, str(error), **headers)
    if isinstance(error, refusal.ConflictError):
        denied.more = {"redirect": error.redirect}
    return denied


def _silent(error: ProviderError) -> DeniedError:
    log.warning("A worker had to be put off: %s", error)
    wait = ceil(error.retry_after or SOON) if isinstance(error, ThrottledError) else SOON
    # A vendor may ask its callers to be patient for an hour; a worker's page would be shut for as long.
    seconds = LATER if isinstance(error, AccountError) else min(wait, LATER)
    told = f"The vendor does not answer at the moment. Please try again in {seconds} seconds."
    return DeniedError(503, "vendor_silent", told, Retry_After=str(seconds))


def _database(error: SQLAlchemyError) -> DeniedError:
    """Nothing of the error's text is told or logged, since the database quotes what it was given."""
    if isinstance(error, DataError):
        return DeniedError(422, "malformed", "The request holds a character or a number that cannot be stored.")
    state = getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None
    log.error("The database failed a worker's request: %s, SQLSTATE %s", type(error).__name__, state)
    if isinstance(error, OperationalError | InterfaceError | PoolTimeoutError):
        told = f"The database does not answer at the moment. Please try again in {SOON} seconds."
        return DeniedError(503, "database_down", told, Retry_After=str(SOON))
    return DeniedError(500, "failed", "Something went wrong here. Please try again later.")
