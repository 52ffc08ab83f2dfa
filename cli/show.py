"""What the demonstration says to a person: where everything is at the start, and the report at the end."""

from cli import console, fate, flower
from cli.money import shown
from cli.report import Report
from cli.stage import Stage
from models.settings import settings
from models.status import UnitStatus

WORDS = {
    "draft": "studies drafted",
    "publish": "studies published",
    "places": "places",
    "stop": "studies stopped",
    "approve": "approvals",
    "reject": "rejections",
    "bonus": "bonuses",
}
ENDS = (UnitStatus.ACCEPTED, UnitStatus.REJECTED, UnitStatus.EXPIRED)


def opening(vendor: Stage, units: int, seed: int, faults: float, *, as_json: bool) -> None:
    """Say what is about to happen, and where to watch it."""
    if as_json:
        return
    if vendor.simulated:
        console.say(f"A simulated Prolific with a seeded crowd (seed {seed}) is at {vendor.url}")
        console.say(f"It spoils {faults:.0%} of the calls: before and after the effect, by errors, delays and silence.")
        if faults:
            console.say("The first payment of bonuses is lost on its way in any case; a person finds that out.")
        console.say("Its people get their data, and hand in their answers, at our own web process.")
    else:
        console.say(f"The vendor is {vendor.url}")
    console.say(f"Flower shows the workers at {flower.address()}")
    console.say(f"Logs are in {settings().home / 'logs'}")
    console.say(f"Launching {units} units, and a shorter run that is expired half-way.")
    killed = "killed twice, and once more when bonuses are out" if vendor.play_money else "killed twice"
    console.say(f"The worker is {killed}.")


def closing(made: Report, vendor: Stage, *, as_json: bool) -> None:
    """Print the report."""
    if as_json:
        console.document(made.as_json())
        return
    console.say("")
    _units(made)
    rows = [(row.kind, row.state, row.operations, row.requests, row.faults) for row in made.operations]
    console.table(["kind", "state", "operations", "requests", "went wrong"], rows, title="\nOperations")
    if vendor.simulated:
        _calls(made)
    agree = [(WORDS.get(kind, kind), made.ours.get(kind, 0), made.theirs.get(kind, 0)) for kind in _kinds(made)]
    theirs = "simulator's ledger" if vendor.simulated else "vendor's listing"
    console.table(["effect", "our rows", theirs], agree, title="\nEffects")
    _money(made, theirs)
    console.say("")
    _endings(made)


def _endings(made: Report) -> None:
    for line in made.summed:
        console.say(line)
    for line in made.overtaken:
        console.say(f"Overtaken by a decision in the vendor's pages: {line}")
    for line in made.problems:
        console.say(f"PROBLEM: {line}")
    people = ", ".join(f"{number} {status}" for status, number in made.people.items())
    console.say(f"Of the people who came, here as at the vendor: {people}; {made.answers} handed in an answer.")
    console.say(f"{made.killed} workers killed. {made.seconds:.0f} s. Flower was at {made.flower}")
    good = "Every unit is explained, every status is the vendor's, every effect happened once, and the money agrees."
    console.say("Something is wrong." if made.problems else good)


def _money(made: Report, theirs: str) -> None:
    """What each purpose came to; what the vendor took of it; and the bonuses that were asked for twice."""
    columns = ["for", "to workers", theirs, "fees", "released", "open"]
    lines = []
    for line in made.money.lines:
        ours = (line.settled_minor, line.theirs_minor, line.fee_minor, line.released_minor, line.open_minor)
        lines.append((line.purpose, *(None if one is None else shown(one, made.money.currency) for one in ours)))
    console.table(columns, lines, title="\nMoney")
    console.say("")
    console.say(made.money.told_of_wallet())
    if not made.money.violations:
        console.say("Every unit and every bonus has its money where it belongs in our ledger.")
    if made.thanks:
        console.say(
            "{planned} bonuses were planned from {file}; the same file again added {added_again}.".format_map(
                made.thanks
            )
        )


def _units(made: Report) -> None:
    """One line a run, and why what was not accepted was not."""
    columns = ["run", "units", *ENDS, "given back, taken again", "late", "in the vendor's pages"]
    lines = []
    for run in dict.fromkeys(one.run for one in made.units):
        mine = [one for one in made.units if one.run == run]
        ends = [sum(one.status is status for one in mine) for status in ENDS]
        notes = [
            sum(one.gave_back > 0 and one.status is not UnitStatus.EXPIRED for one in mine),
            sum(one.late for one in mine),
            sum(one.by_hand for one in mine),
        ]
        lines.append((run, len(mine), *ends, *notes))
    console.table(columns, lines, title="Units")
    title = "\nThose that were not accepted, or not planned"
    console.table(["run", "status", "units", "why"], fate.grouped(made.units), title=title)


def _kinds(made: Report) -> list[str]:
    """In the order of `WORDS`, and any other after them."""
    there = made.ours.keys() | made.theirs.keys()
    return [kind for kind in WORDS if kind in there] + sorted(there - WORDS.keys())


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
