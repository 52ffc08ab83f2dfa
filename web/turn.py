"""A request that needs the vendor waits here for its turn, not for long; one that nobody waits for gets none."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import CapacityLimiter, fail_after
from fastapi import Request
from starlette.requests import ClientDisconnect

from web.refusals import SOON, DeniedError

ASKING = 16
"""Workers for whom the vendor is asked at a time."""
PATIENCE = 3.0
"""Seconds that a request waits for its turn: a vendor that hangs gives none, and more would come than leave."""


@asynccontextmanager
async def turn(request: Request, asking: CapacityLimiter) -> AsyncIterator[None]:
    """Hold one of the turns of `asking`.

    Raises:
        DeniedError: none was free in time.
        ClientDisconnect: the browser has gone away meanwhile.
    """
    holder = object()
    try:
        with fail_after(PATIENCE):
            await asking.acquire_on_behalf_of(holder)
    except TimeoutError:
        told = f"Many others are waiting at the moment. Please try again in {SOON} seconds."
        raise DeniedError(503, "busy", told, Retry_After=str(SOON)) from None
    try:
        if await request.is_disconnected():
            raise ClientDisconnect
        yield
    finally:
        asking.release_on_behalf_of(holder)
