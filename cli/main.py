"""The `crowdops` command: words from the command line go in, an exit code comes out.

A command's module is imported when the command is used, so that `crowdops --help` answers at once.
"""

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

COMMANDS: Mapping[str, tuple[str, str]] = {
    "demo": ("cli.demo:demo", "Run the whole thing against a simulated vendor."),
    "up": ("cli.up:up", "Run worker, beat, web and Flower, and the servers they need, until Ctrl-C."),
    "doctor": ("cli.doctor:doctor", "Check everything that crowdops needs, and say what to do about the rest."),
    "db": ("cli.database:app", "Prepare the database."),
    "requester": ("cli.requester:app", "Add accounts at vendors; pause and resume them."),
    "run": ("cli.run:app", "Launch runs, follow them, pause and end them, and export what was handed in."),
    "agent": ("cli.agent:app", "See who works on what, and what was handed in."),
    "review": ("cli.review:app", "Approve or reject the work that came back."),
    "bonus": ("cli.bonus:app", "Pay workers something on top of their work."),
    "worker": ("cli.worker:app", "See who works, keep people out, and say what they are good at."),
    "qualification": ("cli.qualification:app", "See what workers were granted, and delete what nobody asks for."),
    "ops": ("cli.ops:app", "Look into operations (every intended vendor call), and decide where a person must."),
    "ledger": ("cli.ledger:app", "See what was reserved, paid and let go, check it, and write it out."),
    "discrepancy": ("cli.discrepancy:app", "See what does not fit what is on record, and put it aside."),
    "reconcile": ("cli.reconcile:reconcile", "Bring runs, or one agent, up to date with their vendors now."),
}
"""Each command with the place of its code and its line in `crowdops --help`."""


class _Later(TyperCommand):
    """A command that knows its name and its help; the rest is imported when it is used."""

    def __init__(self, name: str) -> None:
        self.where, line = COMMANDS[name]
        super().__init__(name, help=line)

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:  # noqa: ANN401 - the context's class is private to typer
        """Hand over to the real command; its context leads back to it, never to this one."""
        module, _, attribute = self.where.partition(":")
        command = typer.main.get_command(_app_of(getattr(import_module(module), attribute)))
        command.help = command.help or self.help
        return command.make_context(info_name, args, parent, **extra)


def _app_of(found: Any) -> typer.Typer:  # noqa: ANN401 - an app, or a function that is the only command of one
    if isinstance(found, typer.Typer):
        return found
    made = typer.Typer(add_completion=False)
    made.command()(found)
    return made


class _Commands(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002 - typer's signature
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> _Later | None:  # noqa: ANN401, ARG002 - typer's signature
        return _Later(cmd_name) if cmd_name in COMMANDS else None


app = typer.Typer(cls=_Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def _version(wanted: bool) -> None:  # noqa: FBT001 - typer hands the flag over by position
    if wanted:
        typer.echo(f"crowdops {import_module('importlib.metadata').version('crowdops')}")
        raise typer.Exit


@app.callback()
def crowdops(
    *,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,
) -> None:
    """Human data at scale: launch thousands of units of work at crowd vendors, follow, review and pay.

    Begin with `crowdops demo`, or with `crowdops up` in one terminal and `crowdops doctor` in another.
    """


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run one command and end the process; an expected error is a message on standard error."""
    try:
        app(args, prog_name="crowdops")
    except Exception as error:
        told = import_module("cli.failure").told(error)
        if told is None:
            raise
        typer.echo(told.message, err=True)
        sys.exit(told.code)
    sys.exit(0)


if __name__ == "__main__":
    main()
