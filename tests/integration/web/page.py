"""A task's page as a test plays it: what its script says to the door, and what a refusal looks like."""

import httpx

from models.task_run import TaskRun

PAGE = "https://example.org"
"""The origin of the pages of a scene's runs."""
LOOK = "GET submissions/{id}/"
CODE = "C0DE"


def refused(answer, status, name, **more):
    """Check that an answer is a refusal by this name, and says no more than is named; its sentence."""
    assert (answer.status_code, answer.json()["error"]) == (status, name), answer.text
    said = answer.json()
    detail = said.pop("detail")
    assert said == {"error": name, **more}
    return detail


class Door:
    """Asks as a task's page does; what is given by name takes the place of what would be said."""

    def __init__(self, scene, url):
        self.scene, self.url = scene, url
        self.client = httpx.Client(base_url=url, timeout=20)

    def come(self, run, participant=None):
        """Somebody takes a place of a run and opens its page; the id of the submission."""
        submission = self.scene.simulator.state.take_place(self.scene.study(run), participant).id
        self.scene.simulator.state.start(submission)
        return submission

    def worker(self, submission):
        """Whose it is."""
        return self.scene.simulator.state.submission(submission).participant

    def key(self, run):
        """What the run's page shows."""
        return self.scene.get(TaskRun, run).page_key

    def headers(self, run, **changes):
        """What the page's browser sends along; None leaves a header out."""
        wanted = {"Authorization": f"Bearer {self.key(run)}", "Origin": PAGE} | changes
        return {name: value for name, value in wanted.items() if value is not None}

    def wish(self, run, submission, /, **changes):
        """The body that asks for work; None leaves a field out."""
        named = {"provider": "prolific", "account": "lab", "run": str(run)}
        wanted = named | {"submission": submission, "worker": self.worker(submission)} | changes
        return {name: value for name, value in wanted.items() if value is not None}

    def arrive(self, run, submission, /, headers=None, **changes):
        """Ask for the work of a submission."""
        said = {"headers": self.headers(run, **(headers or {})), "json": self.wish(run, submission, **changes)}
        return self.client.post("/api/v1/agents", **said)

    def submit(self, run, agent, data, headers=None, **changes):
        """Hand something in, with the token that its worker got unless another is named; None leaves a field out."""
        wanted = {"code": CODE, "data": data} | changes
        if "token" not in changes:
            wanted["token"] = self.scene.token(agent)
        body = {name: value for name, value in wanted.items() if value is not None}
        said = {"headers": self.headers(run, **(headers or {})), "json": body}
        return self.client.post(f"/api/v1/agents/{agent}/submit", **said)

    def preflight(self, origin, method="POST"):
        """What a browser asks before it lets a page's script ask."""
        asked = {
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        return self.client.options("/api/v1/agents", headers={"Origin": origin} | asked)
