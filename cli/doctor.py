"""`crowdops doctor`: everything that crowdops needs is looked at, and each line says how it is and what to do."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from typing import Literal

import httpx
import typer
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import BaseModel, ValidationError
from sqlalchemy import func, select

from cli import address, console, door, failure, flower, money, pause, servers
from cli.console import Json
from models import migrations
from models.operation import Operation, State
from models.requester import Requester
from models.session import engine, transaction
from models.settings import settings
from providers import account_of, provider_of
from providers.errors import RejectedError
from tasks import pacing
from tasks.celery import app as fleet

PATIENCE = 2.0
"""Seconds that a worker or Flower may take to answer."""


@dataclass(frozen=True, slots=True)
class Finding:
    """How one thing is; a note is worth knowing, and is not wrong."""

    name: str
    state: Literal["ok", "note", "wrong"]
    told: str


class Health(BaseModel):
    """What the web process says of itself."""

    ok: bool
    down: list[str] = []


Check = Callable[[], Iterator[Finding]]


def doctor(*, as_json: Json = False) -> None:
    """Check everything that crowdops needs, and say what to do about what is wrong.

    The embedded servers are started for it if they do not run. The exit code is 1 if anything is wrong.
    """
    found = list(_examine())
    if as_json:
        console.document([asdict(finding) for finding in found])
    else:
        console.table(("", "what", "how it is"), [(one.state, one.name, one.told) for one in found])
    if any(finding.state == "wrong" for finding in found):
        raise typer.Exit(1)


def _examine() -> Iterator[Finding]:
    address.check()  # Nothing can be looked at without usable settings, so an error ends it here.
    yield Finding("settings", "ok", f"profile {settings().profile}, home {settings().home}")
    with ExitStack() as stack:
        yield from _safely("servers", partial(_servers, stack))
        for name, check in (
            ("schema", _schema),
            ("workers", _workers),
            ("accounts", _accounts),
            ("operations", _operations),
            ("flower", _flower),
            ("web", _web),
        ):
            yield from _safely(name, check)


def _safely(name: str, check: Check) -> Iterator[Finding]:
    """What a check finds; an expected error is a finding too."""
    try:
        yield from check()
    except Exception as error:
        if (told := failure.told(error)) is None:
            raise
        yield Finding(name, "wrong", told.said)


def _servers(stack: ExitStack) -> Iterator[Finding]:
    stack.enter_context(servers.embedded())
    for status in servers.status():
        told = f"{status.version} at {status.where}" + (f", pid {status.pid}" if status.pid else "")
        if status.running:
            yield Finding(status.name, "ok", told)
        else:
            yield Finding(status.name, "wrong", f"does not answer at {status.where}: start it, or mend the address")


def _schema() -> Iterator[Finding]:
    wanted = ScriptDirectory.from_config(migrations.config()).get_current_head()
    with engine().connect() as connection:
        there = MigrationContext.configure(connection).get_current_revision()
    if there == wanted:
        yield Finding("schema", "ok", f"revision {there}")
    else:
        yield Finding("schema", "wrong", f"revision {there}, but this version needs {wanted}: `crowdops db upgrade`")


def _workers() -> Iterator[Finding]:
    answers = fleet.control.inspect(timeout=PATIENCE).ping() or {}
    for name in sorted(answers):
        yield Finding("worker", "ok", name)
    if not answers:
        yield Finding("workers", "wrong", "none answers, so nothing is sent: `crowdops up`, or start them yourself")


def _accounts() -> Iterator[Finding]:
    with transaction() as session:
        rows = session.scalars(select(Requester).order_by(Requester.name)).all()
        open_ids = set(session.scalars(select(Requester.id).where(pacing.is_open(Requester.id))))
    if not rows:
        yield Finding("accounts", "note", "there is none: `crowdops requester add`")
    for row in rows:
        name = f"account {row.name}"
        yield from _safely(name, partial(_credential, row, name))
        if row.id not in open_ids:
            yield Finding(name, "wrong", pause.made(row).told)


def _credential(row: Requester, name: str) -> Iterator[Finding]:
    try:
        provider = provider_of(account_of(row))
        provider.check()
        balance = provider.balance()
    except RejectedError as error:
        added = f"{console.cell(row.facts)}, credential {row.credential}"
        yield Finding(name, "wrong", f"{error} It was added with {added}: are they right?")
        return
    left = money.shown(balance.total_minor, balance.currency)
    yield Finding(name, "ok", f"{row.provider_type} accepts the credential at {row.credential}; {left} available")


def _operations() -> Iterator[Finding]:
    with transaction() as session:
        waiting = session.scalars(select(func.count()).where(Operation.state == State.REVIEW)).one()
    if waiting:
        yield Finding("operations", "note", f"{waiting} for a person to decide: `crowdops ops list --state review`")


def _flower() -> Iterator[Finding]:
    try:
        socket.create_connection((flower.HOST, flower.port()), PATIENCE).close()
    except OSError:
        yield Finding("flower", "note", f"nothing listens at {flower.address()}: `crowdops up` starts Flower")
    else:
        yield Finding("flower", "ok", flower.address())


def _web() -> Iterator[Finding]:
    url = settings().web_url or door.address()
    try:
        down = Health.model_validate_json(httpx.get(f"{url.rstrip('/')}/healthz", timeout=PATIENCE).content).down
    except (httpx.HTTPError, httpx.InvalidURL, ValidationError):
        yield Finding("web", "note", f"no door for tasks' pages answers at {url}: `crowdops up` opens it")
        return
    if down:
        yield Finding("web", "wrong", f"{url} answers, and cannot reach: {', '.join(down)}")
    else:
        yield Finding("web", "ok", url)
