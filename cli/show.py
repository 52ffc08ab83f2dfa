"""What the demonstration says to a person: where everything is at the start, and the report at the end."""

from cli import console, flower
from cli.report import Report
from cli.stage import Stage
from models.settings import settings

WORDS = {"draft": "studies drafted", "publish": "studies published", "places": "places", "approve": "approvals"}


def opening(vendor: Stage, units: int, seed: int, faults: float, *, as_json: bool) -> None:
    """Say what is about to happen, and where to watch it."""
    if as_json:
        return
    if vendor.simulated:
        console.say(f"A simulated Prolific with a seeded crowd (seed {seed}) is at {vendor.url}")
        console.say(f"It spoils {faults:.0%} of the calls: before and after the effect, by errors, delays and silence.")
    else:
        console.say(f"The vendor is {vendor.url}")
    console.say(f"Flower shows the workers at {flower.address()}")
    console.say(f"Logs are in {settings().home / 'logs'}")
    console.say(f"Launching {units} units; submitted work is approved, and the worker is killed twice on the way.")


def closing(made: Report, vendor: Stage, *, as_json: bool) -> None:
    """Print the report."""
    if as_json:
        console.document(made.as_json())
        return
    console.say("")
    console.table(["status", "units"], list(made.units.items()), title="Units")
    rows = [(row.kind, row.state, row.operations, row.requests, row.faults) for row in made.operations]
    console.table(["kind", "state", "operations", "requests", "went wrong"], rows, title="\nOperations")
    if vendor.simulated:
        _calls(made)
    agree = [(WORDS.get(kind, kind), made.ours.get(kind, 0), made.theirs.get(kind, 0)) for kind in _kinds(made)]
    theirs = "simulator's ledger" if vendor.simulated else "vendor's listing"
    console.table(["effect", "our rows", theirs], agree, title="\nEffects")
    console.say("")
    for line in made.decided:
        console.say(f"Decided by the operator: {line}")
    for line in made.problems:
        console.say(f"PROBLEM: {line}")
    console.say(f"{made.killed} workers killed. {made.seconds:.0f} s. Flower was at {made.flower}")
    console.say(
        "Every unit is accepted, and every effect happened once." if not made.problems else "Something is wrong."
    )


def _kinds(made: Report) -> list[str]:
    return list(dict.fromkeys([*made.ours, *made.theirs]))


def _calls(made: Report) -> None:
    rows = []
    for endpoint, totals in sorted(made.calls.items()):
        faults = {name.removeprefix("fault "): number for name, number in totals.items() if name.startswith("fault ")}
        told = ", ".join(f"{name} {number}" for name, number in sorted(faults.items()))
        rows.append((endpoint, totals["calls"], sum(faults.values()), told or "-"))
    console.table(["endpoint", "calls", "spoilt", "how"], rows, title="\nCalls to the vendor")


def kept(made: Report, vendor: Stage) -> None:
    """Say what is still there to look at."""
    console.say(f"Everything is kept running. Flower: {made.flower}  Vendor: {vendor.url}  End it with Ctrl-C.")
