"""`crowdops review`: what was handed in is decided on."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import typer

from cli import console, work
from cli.console import Json
from cli.servers import embedded
from cli.work import Asked, Decided, Verdict
from models import review
from models.operation import Operation
from models.plan import FALLEN
from models.session import transaction
from tasks import dispatch

app = typer.Typer(no_args_is_help=True, add_completion=False)
APPROVE = Verdict("approval", "approve", review.approve, {})
SOFT_REJECT = Verdict("soft rejection", "approve", review.soft_reject, {"soft": True})
REJECT = Verdict("rejection", "reject", review.reject, {})

OfRun = Annotated[
    str | None,
    typer.Option(
        "--run", metavar="NAME|ID", help="All complete work of this run; with the others, the run that it belongs to."
    ),
]
Agents = Annotated[list[str] | None, typer.Option("--agent", metavar="ID", help="This agent; may be repeated.")]
File = Annotated[
    Path | None,
    typer.Option("--csv", metavar="FILE", help="The work that a CSV file names in its column agent or submission."),
]


@app.callback()
def _group() -> None:
    """Decide on the work that came back."""


@app.command()
@embedded()
def approve(*, run: OfRun = None, agent: Agents = None, file: File = None, as_json: Json = False) -> None:
    """Accept work that is complete, so that the vendor pays it.

    The same again shows the approvals that are there.
    """
    _decide(APPROVE, Asked(run, agent or [], file, {}), as_json=as_json)


@app.command("soft-reject")
@embedded()
def soft_reject(*, run: OfRun = None, agent: Agents = None, file: File = None, as_json: Json = False) -> None:
    """Have work paid that is not good enough, and mark it so here; the worker sees an approval."""
    _decide(SOFT_REJECT, Asked(run, agent or [], file, {}), as_json=as_json)


@app.command()
@embedded()
def reject(  # noqa: PLR0913 - what work, and why
    *,
    run: OfRun = None,
    agent: Agents = None,
    file: File = None,
    category: Annotated[str | None, typer.Option(help="The vendor's word for why, such as LOW_EFFORT.")] = None,
    message: Annotated[str | None, typer.Option(help="What the worker reads; Prolific wants 100 characters.")] = None,
    as_json: Json = False,
) -> None:
    """Refuse work, so that it is not paid; it waits while the study recruits.

    A file may say why in columns category and message, which come before the options.
    """
    words = {"category": (category or "").strip(), "message": (message or "").strip()}
    _decide(REJECT, Asked(run, agent or [], file, words), as_json=as_json)


def _decide(verdict: Verdict, asked: Asked, *, as_json: bool) -> None:
    with transaction() as session:
        done = work.decide(session, asked, verdict)
    dispatch.wake()
    fresh = [row for row in done.operations if row.id not in done.before]
    there = [row for row in done.operations if row.id in done.before]
    waiting = [row for row in done.operations if row.hold is not None]
    if as_json:
        console.document(_data(done, len(fresh), there, len(waiting)))
        return
    runs = ", ".join(run.name for run in done.runs)
    console.say(f"Planned for {runs}: {console.counted(len(fresh), verdict.noun)}.")
    for line in (*_existing(verdict, there), *_waiting(verdict, waiting, done), *_rest(done)):
        console.say(line)


def _data(done: Decided, planned: int, there: Sequence[Operation], waiting: int) -> dict[str, Any]:
    existing = Counter(row.state for row in there)
    runs = [run.id for run in done.runs]
    return {"runs": runs, "planned": planned, "existing": existing, "waiting": waiting, "left_alone": done.left}


def _existing(verdict: Verdict, there: Sequence[Operation]) -> list[str]:
    states = Counter(row.state for row in there)
    told = [f"There already: {console.counted(len(there), verdict.noun)} ({console.cell(states)})."] if there else []
    if fallen := [row for row in there if row.state in FALLEN]:
        told.append(f"What came to nothing is tried again by `crowdops ops retry`, such as {fallen[0].id}.")
    return told


def _waiting(verdict: Verdict, waiting: Sequence[Operation], done: Decided) -> list[str]:
    if not waiting:
        return []
    runs = [run for run in done.runs if run.id in {row.run_id for row in waiting}]
    ends = " and ".join(f"`crowdops run expire {quote(run.name)}`" for run in runs)
    verb, goes = ("waits", "It goes out by itself") if len(waiting) == 1 else ("wait", "They go out by themselves")
    return [
        f"{console.counted(len(waiting), verdict.noun).capitalize()} {verb}: {waiting[0].hold}.",
        f"{goes} when nobody is recruited any more; {ends} ends the recruiting now.",
    ]


def _rest(done: Decided) -> list[str]:
    if done.left:
        many = console.counted(done.left, "piece") + " of work"
        see = f"`crowdops ops list --run {quote(done.runs[0].name)}`"
        return [f"Left alone, as another decision stands: {many}. See {see}."]
    if not done.operations:
        return ["No work waits for a decision. See `crowdops run show`, or ask the vendor: `crowdops reconcile`."]
    return []
