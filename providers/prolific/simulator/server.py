"""Runs a simulator on a port: as a process until a signal comes, or in a thread for as long as a block lasts."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from threading import Thread

from aiohttp import web

from providers.prolific.simulator import exchange
from providers.prolific.simulator.answer import ApiError, refusal
from providers.prolific.simulator.api import ENDPOINTS, PREFIX
from providers.prolific.simulator.panel import ROUTES, SIMULATOR
from providers.prolific.simulator.simulator import Exchange, Options, Simulator

TICK = 0.02
PATIENCE = 10.0
MAX_BODY = 10 * 2**20


def application(simulator: Simulator) -> web.Application:
    """The API, and the panel beside it."""
    app = web.Application(middlewares=[_api_errors], client_max_size=MAX_BODY)
    app[SIMULATOR] = simulator
    for endpoint in ENDPOINTS:
        app.router.add_route(endpoint.method, PREFIX + endpoint.path, partial(exchange.serve, simulator, endpoint))
    app.router.add_routes(ROUTES)
    return app


@web.middleware
async def _api_errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Give an unknown path or method of the API the error that Prolific documents."""
    try:
        return await handler(request)
    except web.HTTPClientError as error:
        if not request.path.startswith(PREFIX):
            raise
        answer = refusal(ApiError(error.status, f"{request.method} {request.path}: {error.reason}"), nested=True)
        return web.Response(status=answer.status, body=answer.body, headers=dict(answer.headers))


async def serve(simulator: Simulator, stop: asyncio.Event, ready: Callable[[], None]) -> None:
    """Listen, say so, keep virtual time going, and end cleanly once `stop` is set."""
    runner = web.AppRunner(application(simulator), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, simulator.options.host, simulator.options.port).start()
        simulator.url = f"http://{simulator.options.host}:{runner.addresses[0][1]}"
        ready()
        async with simulator.browser.sending() as send_waiting:
            while not stop.is_set():
                with simulator.state.turn():
                    pass
                send_waiting()
                await asyncio.sleep(TICK)
    finally:
        await runner.cleanup()


@contextmanager
def running(
    options: Options | None = None, on_exchange: Callable[[Exchange], None] | None = None
) -> Iterator[Simulator]:
    """A simulator in a thread of this process, listening as long as the block lasts.

    Raises:
        OSError: the port is taken.
    """
    simulator = Simulator(options or Options(), on_exchange)
    started: Future[Callable[[], object]] = Future()
    thread = Thread(target=_run, args=(simulator, started), name="prolific-simulator", daemon=True)
    thread.start()
    stop = started.result(PATIENCE)
    try:
        yield simulator
    finally:
        stop()
        thread.join(PATIENCE)


def _run(simulator: Simulator, started: "Future[Callable[[], object]]") -> None:
    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        await serve(simulator, stop, lambda: started.set_result(partial(loop.call_soon_threadsafe, stop.set)))

    try:
        asyncio.run(main())
    except BaseException as error:
        if started.done():
            raise
        started.set_exception(error)
