"""`crowdops run`: a run file is launched, and what became of it is shown."""

from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from cli import again, cleanup, console, export, findings, launch, lookup, money, offer, output, recruit, runfile, watch
from cli.console import Json
from cli.servers import embedded
from models import followup
from models.requester import Requester
from models.session import transaction
from models.task_run import TaskRun
from providers import account_of, provider_of

app = typer.Typer(no_args_is_help=True, add_completion=False)
Named = recruit.Named


@app.command("launch")
@embedded()
def launch_(
    file: Annotated[Path, typer.Argument(help="The run file (YAML or JSON).")],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be asked and paid; write nothing.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Take only so many rows of the units file.")] = None,
    as_json: Json = False,
) -> None:
    """Offer the units of a run file to the crowd.

    The vendor is asked first what it costs: more than the run's budget, or than the account has, is refused.
    Launching the same file again shows the run that is there.
    """
    wanted = runfile.read(file, launch.args_of, limit)
    with transaction() as session:
        requester = lookup.requester(session, wanted.file.requester)
        done = launch.existing(session, requester, wanted)
    price = None
    if done is None:
        provider = provider_of(account_of(requester))
        price = offer.price(provider, wanted.offer)
        step = launch.rehearse if dry_run else launch.launch
        done = step(launch.of_file(requester, wanted, price.cost, sandbox=provider.is_sandbox()))
    if as_json:
        console.document(launch.data(wanted.offer, done, price, dry_run=dry_run))
        return
    launch.tell(requester, wanted.offer, done, price, dry_run=dry_run)


@app.command("list")
@embedded()
def list_(
    *,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 50,
    as_json: Json = False,
) -> None:
    """List runs, the newest first."""
    with transaction() as session:
        found = session.execute(
            select(TaskRun, Requester.name)
            .join(Requester, Requester.id == TaskRun.requester_id)
            .order_by(TaskRun.created_at.desc())
            .limit(limit)
        ).all()
        seen = watch.snapshots(session, [run.id for run, _ in found])
    if as_json:
        console.document([_line(run, account, one) for (run, account), one in zip(found, seen, strict=True)])
        return
    columns = ("name", "id", "account", "completed", *watch.NUMBERS)
    rows = [
        (run.name, str(run.id)[:8], account, run.is_completed, *one.numbers().values())
        for (run, account), one in zip(found, seen, strict=True)
    ]
    console.table([column.replace("_", " ") for column in columns], rows)


def _line(run: TaskRun, account: str, seen: watch.Snapshot) -> dict[str, Any]:
    return {
        "name": run.name,
        "id": run.id,
        "account": account,
        "completed": run.is_completed,
        "created_at": run.created_at,
        **seen.numbers(),
    }


@app.command()
@embedded()
def show(name: Named, *, as_json: Json = False) -> None:
    """Show where a run stands, and what is strange about it that nobody has looked into."""
    with transaction() as session:
        run = lookup.run(session, name)
        seen = watch.snapshot(session, run.id)
        strange = session.scalars(findings.of_run(run).where(findings.OPEN)).all()
        facts = _facts(session, run)
    data: dict[str, Any] = {**facts, "units": seen.units, "agents": seen.agents}
    if as_json:
        console.document({**data, "operations": seen.operations, "discrepancies": [*map(findings.data, strange)]})
        return
    operations = [(kind, state, number) for kind, states in seen.operations.items() for state, number in states.items()]
    for amount in ("pay", "budget"):
        data[amount] = money.shown(data.pop(f"{amount}_minor"), run.currency)
    console.facts(data | {"units": {"total": seen.total} | dict(seen.units)})
    console.table(("operation", "state", "number"), operations)
    if seen.paused is not None:
        console.say(seen.paused.told)
    if strange:
        console.table(findings.COLUMNS, [findings.line(row) for row in strange])
        console.say("What these mean: `crowdops discrepancy show ID`; put them aside: `crowdops discrepancy resolve`.")
    if seen.review:
        console.say(f"For a person to decide: {seen.review}. See `crowdops ops list --state review --run {run.id}`.")


def _facts(session: Session, run: TaskRun) -> dict[str, Any]:
    account = session.get_one(Requester, run.requester_id)
    return {
        "name": run.name,
        "id": run.id,
        "title": run.args.get("title"),
        "task": run.args.get("task"),
        "project": run.args.get("project"),
        "account": account.name,
        "vendor": run.provider_type,
        "sandbox": run.sandbox,
        "at_vendor": run.facts,
        "page": run.task_url,
        "created_at": run.created_at,
        "completed": run.is_completed,
        "expired": run.is_expired,
        "follows": [one.name for one in followup.before(run)],
        "followed_by": later.name if (later := followup.after(run)) else None,
        "currency": run.currency,
        "pay_minor": run.pay_minor,
        "budget_minor": run.budget_minor,
    }


@app.command("watch")
@embedded()
def watch_(name: Named, *, as_json: Json = False) -> None:
    """Follow a run until it is completed, or until Ctrl-C."""
    with transaction() as session:
        run = lookup.run(session, name)
    watch.follow(run.id, as_json=as_json)


app.command()(recruit.expire)
app.command("pause")(recruit.pause_)
app.command()(recruit.resume)
app.command()(again.again)
app.command("cleanup")(cleanup.cleanup_)


@app.command("export")
@embedded()
def export_(
    name: Named,
    *,
    wanted: export.Wanted = None,
    file: export.Output = None,
    workers: Annotated[
        bool, typer.Option("--with-workers", help="With the vendor's pseudonyms of people: personal data.")
    ] = False,
) -> None:
    """Write what was handed in: a row for each agent, and one for each unit that nobody has."""
    with transaction() as session:
        run = lookup.run(session, name)
    with output.to(file) as stream, transaction() as session:
        export.snapshot(session)
        number = export.write(session, run.id, stream, export.style(wanted, file), workers=workers)
    if file is not None:
        console.say(f"Wrote {console.counted(number, 'row')} of {run.name} to {file}.")
