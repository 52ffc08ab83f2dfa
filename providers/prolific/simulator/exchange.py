"""One call to the API, from its bytes to its answer: fault, token, handler, call log, observer."""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from time import monotonic

from aiohttp import web

from providers.prolific.simulator.answer import Answer, ApiError, refusal
from providers.prolific.simulator.endpoint import Endpoint, Request, positive
from providers.prolific.simulator.faults import OTHER_SHAPE, WITHOUT_EFFECT, Fault
from providers.prolific.simulator.garbage import GARBAGE, garbled
from providers.prolific.simulator.simulator import Exchange, Simulator

SERVER_ERROR = Answer(
    HTTPStatus.INTERNAL_SERVER_ERROR, b"<h1>Server Error (500)</h1>", {"Content-Type": "text/html; charset=utf-8"}
)
LOOK_EVERY = 0.02


async def serve(simulator: Simulator, endpoint: Endpoint, request: web.Request) -> web.StreamResponse:
    """Answer one call, or spoil it as the faults say."""
    body = await request.read()
    fault = simulator.faults.draw(endpoint.name, positive(request.query.get("page")) or 1)
    kind = fault.kind if fault else ""
    nested = endpoint.nested != (kind == OTHER_SHAPE)
    if fault and kind == "delay":
        await asyncio.sleep(fault.seconds)
    try:
        call = Request(request.url, request.match_info, body, fault)
        answer = None if kind in WITHOUT_EFFECT else _carry_out(simulator, endpoint, request.headers, call)
    except ApiError as error:
        answer = refusal(error, nested=nested)
    if fault:
        answer = _spoilt(answer, fault, nested=nested)
    simulator.log(endpoint.name, request.path, answer.status if answer else None, kind or None)
    if fault and kind.startswith("hang"):
        await _until_gone(request, fault.seconds)
    if answer is None:
        return _silence(request)
    if simulator.on_exchange and kind not in GARBAGE:
        simulator.on_exchange(_observed(request, body, answer))
    return web.Response(status=answer.status, body=answer.body, headers=dict(answer.headers))


def _carry_out(simulator: Simulator, endpoint: Endpoint, headers: Mapping[str, str], call: Request) -> Answer:
    with simulator.state.turn():
        _check_token(headers, simulator.options.token)
        return endpoint.handle(simulator.state, call)


def _check_token(headers: Mapping[str, str], token: str) -> None:
    if headers.get("Authorization") != f"Token {token}":
        raise ApiError(HTTPStatus.UNAUTHORIZED, "Invalid token: send the header `Authorization: Token <token>`.")


def _spoilt(answer: Answer | None, fault: Fault, *, nested: bool) -> Answer | None:
    """What the caller gets in place of `answer`; None is nothing at all."""
    if fault.kind in GARBAGE:
        return garbled(answer, fault.kind)
    match fault.kind.split("_")[0]:
        case "429":
            refused = refusal(ApiError(HTTPStatus.TOO_MANY_REQUESTS, "Request was throttled."), nested=nested)
            after = {"Retry-After": f"{fault.seconds:.0f}"} if fault.kind == "429_retry_after" else {}
            return Answer(refused.status, refused.body, {**refused.headers, **after})
        case "500":
            return SERVER_ERROR
        case "drop" | "hang":
            return None
    return answer


async def _until_gone(request: web.Request, seconds: float) -> None:
    end = monotonic() + seconds
    while request.transport and not request.transport.is_closing() and monotonic() < end:  # noqa: ASYNC110 - polled: aiohttp tells of a lost client by no event
        await asyncio.sleep(LOOK_EVERY)


def _silence(request: web.Request) -> web.Response:
    if request.transport:
        request.transport.abort()
    return web.Response()  # Never sent: the connection is gone.


def _observed(request: web.Request, body: bytes, answer: Answer) -> Exchange:
    return Exchange(
        method=request.method,
        path=request.path,
        query=request.query_string,
        request_headers=dict(request.headers),
        request_body=body,
        status=answer.status,
        headers=dict(answer.headers),
        body=answer.body,
    )
