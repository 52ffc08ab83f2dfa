"""Where tasks' pages live: the addresses of runs go in, and browsers are told that scripts from there may ask."""

import logging
from asyncio import Lock
from math import inf

import httpx
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from models.clock import stopwatch
from models.session import transaction
from models.task_run import TaskRun

log = logging.getLogger(__name__)

FRESH = 2.0
"""Seconds for which the origins of runs are remembered."""


def origin_of(url: str) -> str | None:
    """The origin as browsers write it: lower case, without the usual port; None if the address has none."""
    try:
        parts = httpx.URL(url)
        host = parts.host
    except (httpx.InvalidURL, UnicodeError):  # The latter is what a name that no browser knows raises.
        return None
    return f"{parts.scheme}://{parts.netloc.decode()}" if host else None


def run_origins() -> frozenset[str]:
    """Those of the pages of every run: whoever comes too late is told so, which takes a page that may read it."""
    with transaction() as session:
        urls = session.scalars(select(TaskRun.task_url).distinct()).all()
    return frozenset(origin for url in urls if (origin := origin_of(url)))


class RunOrigins(CORSMiddleware):
    """Lets the pages of runs read the answers, and nobody else's."""

    def __init__(self, app: ASGIApp) -> None:
        """Begin with no origin known."""
        super().__init__(
            app, allow_methods=["POST"], allow_headers=["Authorization", "Content-Type"], expose_headers=["Retry-After"]
        )
        self._turn = Lock()
        self._read_at = -inf

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a browser's question beforehand, or go on and mark the answer as readable."""
        if scope["type"] == "http" and "origin" in Headers(scope=scope):
            await self._refresh()
        await super().__call__(scope, receive, send)

    async def _refresh(self) -> None:
        async with self._turn:
            if stopwatch() - self._read_at < FRESH:
                return
            try:
                self.allow_origins = await run_in_threadpool(run_origins)
            except SQLAlchemyError as error:
                log.warning("The origins of runs cannot be read (%s); the last known ones count.", type(error).__name__)
            self._read_at = stopwatch()
