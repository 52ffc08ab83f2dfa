"""Puts a scene where the same steps led before: what is asked for goes in, rows and the vendor's memory come back.

Hundreds of tests begin with the same live run. Each process makes it twice, which shows that it is asked for again;
from then on it is put back, to the very moment, where everything before it is the same to the letter.
"""

import os
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from models.base import Base
from models.session import transaction

NAMES = [table.name for table in Base.metadata.tables.values()]
ELSEWHERE = ("CROWDOPS_PROLIFIC_URL", "CROWDOPS_DATABASE_URL", "CROWDOPS_BROKER_URL", "CROWDOPS_HOME")
"""Addresses, which are others in each test and change nothing."""
FLEETING = {name: ["created_at", "tokens_at"] for name in NAMES} | {"clock": ["created_at", "id"]}
"""Columns that tell two beginnings apart which are the same."""
ROWS = " UNION ALL ".join(
    f"SELECT '{name}', (to_jsonb(one) - ARRAY{columns})::text FROM {name} one" for name, columns in FLEETING.items()
)
APART = ("clock", "_lock")
_asked: set[str] = set()
_made: dict[str, "Saved"] = {}


@dataclass
class Saved:
    """What is put back: copies of tables, named after a number; the vendor's memory and clock; the moment."""

    number: int
    tables: list[str]
    vendor: dict[str, Any]
    virtual: tuple[Any, float]
    totals: dict[str, dict[str, int]]
    moment: Any
    value: Any


def once(scene: Any, asked: object, make: Callable[[], Any]) -> Any:
    """What `make` leads to, which is what was asked for."""
    before = _beginning(scene, asked)
    if before in _made:
        return _put_back(scene, _made[before])
    value = make()
    if before in _asked and _is_still(scene.simulator):
        _made[before] = _save(scene, value)
    _asked.add(before)
    return value


def _is_still(simulator: Any) -> bool:
    """Whether nothing happens at the vendor by itself: what it plans to do cannot be copied."""
    return simulator.options.speed == 0 and not simulator.clock._due  # noqa: SLF001 - the simulator needs no such question


def _beginning(scene: Any, asked: object) -> str:
    """Everything that what follows depends on: settings, rows, the vendor's memory and its faults."""
    simulator = scene.simulator
    named = {name: value for name, value in os.environ.items() if name.startswith("CROWDOPS_")}
    with transaction() as session:
        rows = sorted(map(tuple, session.connection().exec_driver_sql(ROWS)))
    settings = sorted((name, value) for name, value in named.items() if name not in ELSEWHERE)
    faults = (simulator.faults.shown(), simulator.totals)
    return repr((asked, scene.account, settings, rows, _memory(simulator.state), simulator.options, faults))


def _memory(state: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(state).items() if name not in APART and not callable(value)}


def _save(scene: Any, value: Any) -> Saved:
    number, clock = len(_made), scene.simulator.clock
    with transaction() as session:
        run = session.connection().exec_driver_sql
        tables = [name for name in NAMES if run(f"SELECT EXISTS (SELECT FROM {name})").scalar()]
        run("CREATE SCHEMA IF NOT EXISTS saved")
        for name in tables:
            run(f"CREATE TABLE saved.{name}_{number} AS TABLE {name}")
        moment = run("SELECT crowdops_now()").scalar()
    memory, totals = deepcopy(_memory(scene.simulator.state)), deepcopy(scene.simulator.totals)
    return Saved(number, tables, memory, (clock.start, clock.seconds()), totals, moment, value)


def _put_back(scene: Any, saved: Saved) -> Any:
    # No foreign key is looked at, so the order does not matter.
    steps = ["SET LOCAL session_replication_role = replica"]
    steps += [f"DELETE FROM {name}; INSERT INTO {name} TABLE saved.{name}_{saved.number}" for name in saved.tables]
    steps += [f"UPDATE clock SET ahead = ahead + (timestamptz '{saved.moment.isoformat()}' - crowdops_now())"]
    with transaction() as session:
        session.connection().exec_driver_sql("; ".join(steps))
    simulator = scene.simulator
    with simulator.state.turn():
        vars(simulator.state).update(deepcopy(saved.vendor))
        simulator.totals.update(deepcopy(saved.totals))
        simulator.clock.start, seconds = saved.virtual
        simulator.clock.advance(seconds - simulator.clock.seconds())
    return saved.value
