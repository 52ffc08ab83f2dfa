"""Options for `celery -A tasks flower --conf=deploy/flowerconfig.py`: settings in, a Flower that only shows out.

Flower opens on loopback without a password, so it may only show. `read_only` refuses every command (apply, revoke,
shutdown, pool and queue changes) with 403. Its JSON API answers only when FLOWER_UNAUTHENTICATED_API is set, as the
Procfile does; a Flower that listens elsewhere must have `--basic_auth` instead.
"""  # noqa: INP001 - Flower reads this file by its path

from typing import Any

from flower.events import EventsState
from flower.urls import settings as application
from tornado.httputil import HTTPHeaders
from tornado.web import OutputTransform

from models.settings import settings


class OwnPagesOnly(OutputTransform):
    """Takes back the permission that Flower gives every web site to read an API without a password."""

    def transform_first_chunk(
        self,
        status_code: int,
        headers: HTTPHeaders,
        chunk: bytes,
        finishing: bool,  # noqa: FBT001 - Tornado's signature
    ) -> tuple[int, HTTPHeaders, bytes]:
        """Answer as before, but let no other site's script read it."""
        for name in [name for name in headers if name.startswith("Access-Control-")]:
            del headers[name]
        return super().transform_first_chunk(status_code, headers, chunk, finishing)


application["transforms"] = [OwnPagesOnly]


def _worth_showing(state: EventsState, event: dict[str, Any]) -> None:
    """Keep what a person looks for.

    The dispatcher runs every second; its runs would push the vendors' work out. Its workers send no events of it
    (`tasks.dispatch`), so what is left to drop is the word that it was sent. A publisher's word that comes after the
    worker's is dropped too: it would take back the name that says kind and vendor.
    """
    late = event["type"] == "task-sent" and event["uuid"] in state.tasks
    if event.get("name") != "crowdops.dispatch" and not late:
        _every_event(state, event)


_every_event = EventsState.event
EventsState.event = _worth_showing

state = settings().home / "flower"
state.mkdir(mode=0o700, parents=True, exist_ok=True)

address = "127.0.0.1"
port = settings().flower_port
read_only = True
persistent = True
db = str(state / "tasks")
state_save_interval = 60_000  # Milliseconds; what happened since is lost when Flower is killed.
max_tasks = 20_000
tasks_columns = "name,uuid,state,args,received,runtime,worker,retries,exception"
