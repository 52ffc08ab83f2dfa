"""The pages beside the API: a page for people, JSON of what happened, and knobs for faults, crowd and clock."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path
from typing import Any

from aiohttp import web

from providers.prolific.simulator.clock import stamp
from providers.prolific.simulator.faults import Rule
from providers.prolific.simulator.money import minor
from providers.prolific.simulator.simulator import Simulator
from providers.prolific.simulator.submission import STATUSES

SIMULATOR = web.AppKey("simulator", Simulator)
PAGE = Path(__file__).with_name("page.html")
ROUTES = web.RouteTableDef()


@ROUTES.get("/")
async def page(_request: web.Request) -> web.StreamResponse:
    """The page for people; it fills itself from the JSON below."""
    return web.Response(text=PAGE.read_text(encoding="utf-8"), content_type="text/html")


@ROUTES.get("/simulator/state")
async def state(request: web.Request) -> web.Response:
    """Clock, wallet, crowd, studies and submissions by status."""
    simulator = request.app[SIMULATOR]
    now = simulator.state
    with now.turn():
        counts = sum((study.counts for study in now.studies.values()), Counter[str]())
        return web.json_response(
            {
                "clock": {"now": stamp(simulator.clock.now()), "speed": simulator.clock.speed},
                "seed": now.seed,
                "workspace": now.workspace,
                "project": now.project,
                "wallet": {
                    "currency": now.currency,
                    "total": minor(now.total()),
                    "available": minor(now.available()),
                },
                "crowd": {
                    "on": simulator.crowd.on,
                    "arrivals": simulator.crowd.arrivals,
                    "habits": simulator.crowd.habits.shares(),
                },
                "door": {
                    "on": simulator.crowd.browser is not None,
                    **simulator.browser.tally,
                    "failed": simulator.browser.failed,
                },
                "by_hand": simulator.reviewer.decided,
                "groups": [group.shown(()) for group in now.groups.values()],
                "messages": len(now.messages),
                "bonuses": {
                    "paid": sum(len(row.bonus_payments) for row in now.in_order),
                    "amount": sum(study.bonuses for study in now.studies.values()),
                    "due": sum(len(batch.bonuses) for batch in now.due),
                },
                "studies": [
                    study.short()
                    | {"free": study.free, "bonuses": study.bonuses}
                    | {"submissions": study.submission_counts(STATUSES)}
                    for study in now.studies.values()
                ],
                "submissions": {status: counts[status] for status in STATUSES},
            }
        )


@ROUTES.get("/simulator/ledger")
async def ledger(request: web.Request) -> web.Response:
    """The effects from the first on, or with ``?last=20`` the newest 20; and how many of each kind there are."""
    simulator = request.app[SIMULATOR]
    with simulator.state.turn():
        effects = simulator.state.ledger
        kinds = Counter(effect.kind for effect in effects)
        shown = [asdict(effect) for effect in _newest(request, effects)]
        return web.json_response({"effects": shown, "kinds": kinds})


@ROUTES.get("/simulator/calls")
async def calls(request: web.Request) -> web.Response:
    """Counts of calls by endpoint, status and fault, and the calls themselves (``?last=20`` as above)."""
    simulator = request.app[SIMULATOR]
    shown = [asdict(call) for call in _newest(request, list(simulator.calls))]
    return web.json_response({"calls": shown, "totals": simulator.totals, "rules": simulator.faults.shown()})


def _newest(request: web.Request, rows: list[Any]) -> list[Any]:
    last = request.query.get("last", "")
    return rows[-int(last) :] if last.isdecimal() and int(last) > 0 else rows


Knob = Callable[[Simulator, dict[str, Any]], object]


def _knob(turn: Knob) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A POST that hands its JSON object to `turn`; what `turn` cannot use is a 400 that says why."""

    async def handle(request: web.Request) -> web.Response:
        try:
            wish = await request.json()
            return web.json_response(turn(request.app[SIMULATOR], wish))
        except (ValueError, TypeError, KeyError) as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=HTTPStatus.BAD_REQUEST)

    return handle


def _set_faults(simulator: Simulator, wish: dict[str, Any]) -> object:
    """``{"rules": [...]}`` replaces the rules; ``{"next": {...}}`` is for the next calls to one endpoint."""
    if "rules" in wish:
        simulator.faults.set([Rule(**rule) for rule in wish["rules"]])
    if "next" in wish:
        simulator.faults.next(**wish["next"])
    return simulator.faults.shown()


def _set_crowd(simulator: Simulator, wish: dict[str, Any]) -> object:
    """``{"on": false}`` keeps newcomers away."""
    simulator.crowd.switch(on=bool(wish["on"]))
    return {"on": simulator.crowd.on}


def _set_clock(simulator: Simulator, wish: dict[str, Any]) -> object:
    """``{"advance": seconds}`` jumps ahead."""
    simulator.advance(float(wish["advance"]))
    return {"now": stamp(simulator.clock.now())}


ROUTES.post("/simulator/faults")(_knob(_set_faults))
ROUTES.post("/simulator/crowd")(_knob(_set_crowd))
ROUTES.post("/simulator/clock")(_knob(_set_clock))
