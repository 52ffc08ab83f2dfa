"""Starts the simulator as a process: options come from the command line, the URL goes to standard output."""

import asyncio
import signal
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from dataclasses import fields
from pathlib import Path

from providers.prolific.simulator.habits import Habits
from providers.prolific.simulator.server import serve
from providers.prolific.simulator.simulator import Options, Simulator


def arguments() -> ArgumentParser:
    """What may be said on the command line."""
    parser = ArgumentParser(
        prog="python -m providers.prolific.simulator",
        description=__doc__,
        formatter_class=ArgumentDefaultsHelpFormatter,
    )
    default = Options()
    parser.add_argument("--host", default=default.host, help="address to listen on")
    parser.add_argument("--port", type=int, default=default.port, help="port to listen on; 0 takes a free one")
    parser.add_argument("--port-file", type=Path, help="file to write the port into once it listens")
    parser.add_argument("--seed", type=int, default=default.seed, help="decides ids, crowd and faults")
    parser.add_argument("--speed", type=float, default=default.speed, help="virtual seconds a real second")
    parser.add_argument("--faults", type=float, default=default.faults, help="share of calls that go wrong")
    parser.add_argument("--misreads", type=float, default=default.misreads, help="share of reads that are not so")
    parser.add_argument("--visible-after", type=float, default=0.0, help="age of an approval that reads show, seconds")
    parser.add_argument("--token", default=default.token, help="the API token that is accepted")
    parser.add_argument("--currency", default=default.currency, help="currency of the workspace")
    parser.add_argument("--balance", type=int, default=default.balance, help="funds at the start, in minor units")
    parser.add_argument("--arrivals", type=float, default=default.arrivals, help="participants a virtual minute")
    parser.add_argument("--no-crowd", dest="crowd", action="store_false", help="nobody comes by themselves")
    parser.add_argument("--door", action="store_true", help="participants work through the web door of the task's URL")
    for habit in fields(Habits):
        flag = f"--{habit.name.replace('_', '-')}"
        parser.add_argument(flag, type=float, default=habit.default, help=habit.metadata["help"])
    return parser


async def run(options: Options, port_file: Path | None) -> None:
    """Serve until the process is asked to end."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    simulator = Simulator(options)

    def ready() -> None:
        if port_file:
            unfinished = port_file.with_suffix(".part")
            unfinished.write_text(simulator.url.rpartition(":")[2])
            unfinished.replace(port_file)  # A reader sees the whole port or no file.
        print(simulator.url, flush=True)  # noqa: T201 - the line that tells the caller where it listens

    await serve(simulator, stop, ready)


def main() -> None:
    """Read the command line and serve."""
    parser = arguments()
    chosen = vars(parser.parse_args())
    port_file = chosen.pop("port_file")
    try:
        options = Options(**chosen)
    except ValueError as error:
        parser.error(str(error))
    asyncio.run(run(options, port_file))


if __name__ == "__main__":
    main()
