"""The crowd's browsers: submissions go in, their task pages' requests go over HTTP to the project's web door.

Requests are sent from the server's event loop and never while the state is held, so a door that hangs holds up nobody.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from queue import SimpleQueue
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout

from providers.prolific.simulator.state import State
from providers.prolific.simulator.submission import UNFINISHED, Submission
from providers.prolific.simulator.task_page import TaskPage, handed_in

PATIENCE = 10.0
"""Real seconds that a browser waits for an answer."""
AGAIN_SECONDS = 5.0
"""Virtual seconds until it asks again."""
GOOD = frozenset({HTTPStatus.OK, HTTPStatus.CREATED})


@dataclass(frozen=True, slots=True)
class Errand:
    """One request that is sent until it is answered well, while the submission has one status, and not for ever."""

    submission: Submission
    status: str
    until: float
    url: str
    headers: dict[str, str]
    body: dict[str, Any]
    then: Callable[[bytes], object]
    """Gets the answer; raises `BadAnswerError` if there is nothing in it to go on with."""


class BadAnswerError(Exception):
    """The door said yes without the work."""


class Browser:
    """`tally` counts participants who asked, were answered and submitted; `failed` counts requests by what came."""

    def __init__(self, state: State) -> None:
        """Work for the crowd of `state`."""
        self.state = state
        self.tally = {"asked": 0, "answered": 0, "submitted": 0}
        self.failed: Counter[str] = Counter()
        self._agents: dict[str, dict[str, Any]] = {}
        self._errands: SimpleQueue[Errand] = SimpleQueue()

    def ask(self, submission: Submission, then: Callable[[], object]) -> None:
        """Open the task's page, which asks for work; `then` is called once it has come."""
        self.tally["asked"] += 1
        try:
            page = TaskPage.of(submission)
        except ValueError:
            self.failed["bad url"] += 1
            return

        def answered(body: bytes) -> None:
            self._agents[submission.id] = _agent(body)
            self.tally["answered"] += 1
            then()

        self._queue(submission, page, page.door, page.wish, answered)

    def submit(self, submission: Submission, code: str) -> None:
        """Hand in the work, and once the door has taken it, the submission."""
        page, agent = TaskPage.of(submission), self._agents[submission.id]

        def taken(_body: bytes) -> None:
            del self._agents[submission.id]
            self.tally["submitted"] += 1
            if submission.status in UNFINISHED:
                self.state.finish(submission.id, code)

        url = f"{page.door}/{agent['id']}/submit"
        self._queue(submission, page, url, handed_in(agent["token"], code, agent["data"]), taken)

    def _queue(
        self,
        submission: Submission,
        page: TaskPage,
        url: str,
        body: dict[str, Any],
        then: Callable[[bytes], object],
    ) -> None:
        until = self.state.clock.seconds() + submission.study.fields["maximum_allowed_time"] * 60
        self._errands.put(Errand(submission, submission.status, until, url, page.headers, body, then))

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[Callable[[], None]]:
        """Yields a function that starts to send whatever waits to be sent."""
        tasks: set[asyncio.Task[None]] = set()
        async with ClientSession(timeout=ClientTimeout(PATIENCE)) as session:

            def send_waiting() -> None:
                while not self._errands.empty():
                    task = asyncio.create_task(self._send(session, self._errands.get_nowait()))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)

            try:
                yield send_waiting
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, session: ClientSession, errand: Errand) -> None:
        if errand.submission.status != errand.status or self.state.clock.seconds() > errand.until:
            return
        try:
            status, body = await _post(session, errand)
            failure = None if status in GOOD else str(status)
        except (ClientError, TimeoutError):
            body, failure = b"", "no answer"
        with self.state.turn():
            failure = failure or _taken(errand, body)
            if failure:
                self.failed[failure] += 1
                self.state.clock.after(AGAIN_SECONDS, partial(self._errands.put, errand))


async def _post(session: ClientSession, errand: Errand) -> tuple[int, bytes]:
    request = session.post(errand.url, json=errand.body, headers=errand.headers, allow_redirects=False)
    async with request as answer:
        return answer.status, await answer.read()


def _taken(errand: Errand, body: bytes) -> str | None:
    try:
        errand.then(body)
    except BadAnswerError:
        return "bad answer"
    return None


def _agent(body: bytes) -> dict[str, Any]:
    try:
        agent = json.loads(body)
        return {name: agent[name] for name in ("id", "token", "data")}
    except (ValueError, KeyError, TypeError):
        raise BadAnswerError from None
