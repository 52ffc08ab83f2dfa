"""The web process as a real server on loopback, and a task's page that talks to it, beside the account of a `scene`."""

import socket
from contextlib import contextmanager
from threading import Thread

import pytest
import uvicorn

from tests.integration.web.page import Door
from web.app import make


@contextmanager
def _serving():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(make(), log_config=None, access_log=False, server_header=False))
        thread = Thread(target=server.run, kwargs={"sockets": [listener]}, name="door")
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def door(scene):
    """A page's view of a running web process."""
    with _serving() as url:
        made = Door(scene, url)
        with made.client:
            yield made


@pytest.fixture
def agent(run, door):
    """Somebody who has got the data of a unit of the module's run."""
    return door.arrive(run, door.come(run)).json()["id"]
