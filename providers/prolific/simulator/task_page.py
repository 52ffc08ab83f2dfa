"""A task's page as its script sees it: the study's URL goes in, what is asked of the project's web door comes out."""

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from providers.prolific.simulator.submission import Submission

PROVIDER = "prolific"


@dataclass(frozen=True, slots=True)
class TaskPage:
    """What the script takes from the page's address; `door` is where it asks for work."""

    origin: str
    door: str
    key: str
    account: str
    run: str
    submission: str
    worker: str

    @classmethod
    def of(cls, submission: Submission) -> "TaskPage":
        """The page of one submission, with Prolific's placeholders filled in, under whatever names it wants the ids.

        Raises:
            ValueError: the address lacks something.
        """
        address = urlsplit(fill(submission.study.fields["external_study_url"], submission))
        query = dict(parse_qsl(address.query))
        ids = [one if one in query.values() else None for one in (submission.id, submission.participant)]
        needed = [*(query.get(name) for name in ("key", "account", "run")), *ids]
        if not all(needed) or not address.netloc:
            raise ValueError(f"{address.geturl()} lacks a host, key, account, run, SESSION_ID or PROLIFIC_PID.")
        origin = f"{address.scheme}://{address.netloc}"
        return cls(origin, f"{query.get('api', origin).rstrip('/')}/api/v1/agents", *map(str, needed))

    @property
    def headers(self) -> dict[str, str]:
        """What a browser sends along."""
        return {"Authorization": f"Bearer {self.key}", "Origin": self.origin}

    @property
    def wish(self) -> dict[str, str]:
        """The body that asks for work."""
        return {
            "provider": PROVIDER,
            "account": self.account,
            "run": self.run,
            "submission": self.submission,
            "worker": self.worker,
        }


def fill(template: str, submission: Submission) -> str:
    """The study's URL as Prolific gives it to one participant."""
    values = {
        "PROLIFIC_PID": submission.participant,
        "STUDY_ID": submission.study.id,
        "SESSION_ID": submission.id,
    }
    for name, value in values.items():
        template = template.replace(f"{{{{%{name}%}}}}", value)
    return template


def answer_to(data: object) -> str:
    """The answer that the crowd gives to a unit of work: always the same to the same data."""
    return sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:12]


def handed_in(token: str, code: str, data: object) -> dict[str, Any]:
    """The body that hands work in, with the token that came with the work."""
    return {"token": token, "code": code, "data": {"answer": answer_to(data)}}
