"""The web process: HTTP requests of tasks' pages go in, what `tasks.arrival` says about them comes out as JSON."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import UUID

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.responses import JSONResponse

from models.settings import settings
from providers import installed
from tasks import arrival, handin
from tasks.refusal import UnknownError
from web import health, refusals
from web.body import Wish, Work, read
from web.origins import RunOrigins
from web.page import Page, page_of
from web.turn import ASKING, turn

OFF = False
"""Telemetry would carry the ids of workers and submissions out of the process, whatever the environment wants."""

router = APIRouter()


@router.post("/api/v1/agents")
async def arrive(request: Request, page: Annotated[Page, Depends(page_of)]) -> JSONResponse:
    """Give a worker the data of their unit; the same submission again gets the same."""
    wish = await read(request, Wish)
    page.assert_means(wish.provider, wish.account, wish.run)
    asked = (page.run_id, wish.submission, wish.worker)
    found = await to_thread.run_sync(arrival.known, *asked)
    if found is None:
        async with turn(request, request.app.state.asking):
            # A thread beside those of the others: a vendor that hangs holds up nobody whom we know, and no hand-in.
            found = await to_thread.run_sync(arrival.arrive, *asked, limiter=CapacityLimiter(1))
    return JSONResponse(
        {
            "id": str(found.agent_id),
            "data": found.data,
            "token": found.token,
            "submitted": found.submitted,
            "redirect": found.redirect,
        }
    )


@router.post("/api/v1/agents/{agent}/submit")
async def submit(request: Request, agent: str, page: Annotated[Page, Depends(page_of)]) -> JSONResponse:
    """Keep what a worker did; the same again changes nothing."""
    work = await read(request, Work)
    said = (_agent_id(agent), work.token, work.code, work.data)
    redirect = await to_thread.run_sync(handin.hand_in, page.run_id, *said)
    return JSONResponse({"redirect": redirect})


@router.get("/healthz")
async def healthz() -> JSONResponse:
    """Whether this process can do its work."""
    down = await health.down()
    return JSONResponse({"ok": not down} | ({"down": down} if down else {}), 503 if down else 200)


def _agent_id(text: str) -> UUID:
    """An id that is none is unknown like any other."""
    try:
        return UUID(text)
    except ValueError:
        raise UnknownError("This run has no such agent.") from None


@asynccontextmanager
async def _lifespan(made: FastAPI) -> AsyncIterator[None]:
    """Refuse to start with settings that cannot be used; know the vendors' classes before a row of theirs is read."""
    settings().database()
    installed()
    made.state.asking = CapacityLimiter(ASKING)
    yield


def make() -> FastAPI:
    """The application, without pages of documentation."""
    silent: Any = {"tracing": OFF, "metrics": OFF, "logs": OFF, "auto_configure": OFF}
    made = FastAPI(openapi_url=None, redirect_slashes=False, telemetry=silent, lifespan=_lifespan)
    refusals.install(made)
    made.add_middleware(RunOrigins)
    made.include_router(router)
    return made


app = make()
