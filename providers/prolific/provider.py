"""Prolific as a provider: a run is one study, a unit one of its places, an agent one submission."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from models import followup
from models.agent import Agent
from models.base import vendor_class
from models.eligibility import door
from models.operation import Operation
from models.plan import Intent, plan
from models.requester import Requester
from models.settings import settings
from models.status import AgentStatus
from models.task_run import TaskRun
from models.unit import Unit
from models.worker import Worker
from providers.contract import Account, CrowdProvider, Kind, Observation, Outcome, Quote, Request
from providers.errors import ProviderError
from providers.prolific import bonus, calls, evidence, mapping, reads
from providers.prolific.client import Client, base_url


class ProlificUnit(Unit):
    """A place of a study."""

    __mapper_args__ = vendor_class("prolific")


class ProlificRequester(Requester):
    """A workspace; `facts` holds its id and that of the project that studies belong to."""

    __mapper_args__ = vendor_class("prolific")


class ProlificWorker(Worker):
    """A participant."""

    __mapper_args__ = vendor_class("prolific")


class ProlificAgent(Agent):
    """A submission."""

    __mapper_args__ = vendor_class("prolific")

    @staticmethod
    def assert_rejection(category: str, message: str) -> None:
        """Prolific wants one of its categories and a message of at least a hundred characters.

        Raises:
            ValueError: with what is wrong.
        """
        if category not in mapping.CATEGORIES:
            raise ValueError(f"Prolific knows no category {category!r} of rejections: {', '.join(mapping.CATEGORIES)}.")
        if len(message.strip()) < mapping.LEAST_MESSAGE:
            raise ValueError(
                f"Prolific wants a message of at least {mapping.LEAST_MESSAGE} characters with a rejection; this one "
                f"has {len(message.strip())}. The worker reads it: say what was wrong."
            )


class ProlificArgs(BaseModel):
    """What a run file may say to Prolific alone, in Prolific's own terms (its `CreateStudy`)."""

    model_config = ConfigDict(extra="forbid")

    device_compatibility: list[Literal["desktop", "tablet", "mobile"]] | None = None
    peripheral_requirements: list[Literal["audio", "camera", "download", "microphone"]] | None = None
    study_labels: list[str] | None = Field(default=None, max_length=1)
    content_warnings: list[Literal["sensitive", "explicit"]] | None = None
    content_warning_details: str | None = Field(default=None, max_length=1000)
    filters: list[dict[str, Any]] | None = None


class ProlificProvider(CrowdProvider):
    """The vendor Prolific, or whatever speaks its API at `CROWDOPS_PROLIFIC_URL`."""

    PROVIDER_TYPE = "prolific"
    UnitClass = ProlificUnit
    RequesterClass = ProlificRequester
    WorkerClass = ProlificWorker
    AgentClass = ProlificAgent
    ArgsClass = ProlificArgs
    KINDS: ClassVar[Mapping[str, Kind]] = calls.KINDS
    FACTS: ClassVar[Mapping[str, str]] = {"workspace": "the workspace's id", "project": "the project's id"}
    PURSE = "workspace"
    calls_per_second = 10

    def __init__(self, account: Account) -> None:
        """Bind the client to the account; nothing is sent."""
        super().__init__(account)
        self._client = Client(account.credential)

    def is_sandbox(self) -> bool:
        """Prolific has no sandbox of its own; anything at another host is one."""
        return urlsplit(base_url()).hostname != "api.prolific.com"

    @classmethod
    def setup_resources_for_task_run(cls, session: Session, run: TaskRun) -> Operation:
        """Plan the study as a draft with one place, and behind it its publication."""
        neutral = {
            "name": run.args["title"],
            "description": run.args["description"],
            "task_url": mapping.page(
                run.task_url, settings().web_url, account=run.requester.name, run=str(run.id), key=run.page_key
            ),
            "pay_minor": run.pay_minor,
            "currency": run.currency,
            "estimated_minutes": run.args["estimated_minutes"],
            "maximum_minutes": run.args["maximum_minutes"],
            "completion_codes": run.args["completion_codes"],
            "maximum_units_per_worker": run.args.get("maximum_units_per_worker", 1),
            "project": run.requester.facts["project"],
        }
        groups = door(run)
        neutral |= {
            "let_in": [str(group.id) for group in groups.let_in],
            "keep_out": [str(group.id) for group in groups.keep_out],
        }
        # All of them are over, so that what Prolific calls them is known; who never had a study had no people.
        earlier = [study for one in followup.before(run) if (study := one.facts.get("study_id"))]
        if earlier:
            neutral["previous_studies"] = earlier
        own = {name: value for name, value in run.args["provider"].items() if value is not None}
        wanted = Intent(
            requester_id=run.requester_id,
            kind="draft",
            target=str(run.id),
            run_id=run.id,
            body=neutral | own,
            after_id=groups.waits_for(session),
        )
        (draft,) = plan(session, [wanted])
        (publish,) = plan(session, [replace(wanted, kind="publish", body={}, after_id=draft.id)])
        return publish

    @classmethod
    def return_url(cls, code: str) -> str | None:
        """Prolific's page that takes the code and completes the submission."""
        return mapping.return_url(code)

    def send(self, requests: Sequence[Request]) -> Sequence[Outcome]:
        """See `calls.send`."""
        return calls.send(self._client, requests[0].kind, requests)

    def find(self, requests: Sequence[Request]) -> Sequence[Outcome]:
        """See `calls.find`."""
        return calls.find(self._client, requests[0].kind, requests)

    def snapshot(self, requests: Sequence[Request]) -> Sequence[Mapping[str, Any] | ProviderError]:
        """What each submission was paid on top, one read each."""
        return bonus.snapshot(self._client, requests)

    def payments(self, submissions: Sequence[str]) -> Sequence[Sequence[int] | ProviderError]:
        """The same for the audit."""
        return bonus.payments(self._client, submissions)

    def is_at_vendor(self, run_facts: Mapping[str, Any]) -> bool:
        """A run can be listed once its study is known."""
        return run_facts.get("study_id") is not None

    def changed(self, run_facts: Mapping[str, Any]) -> Mapping[str, int]:
        """One call: how many submissions of the study are in each status."""
        return self._client.counts(run_facts["study_id"])

    def observe(self, run_facts: Mapping[str, Any]) -> Iterator[Sequence[Observation]]:
        """The study's submissions, a hundred a page."""
        return reads.observe(self._client, run_facts["study_id"])

    @classmethod
    def status_of(cls, word: str) -> AgentStatus | None:
        """See `mapping.agent_status`."""
        return mapping.agent_status(word)

    def left(self, run_facts: Mapping[str, Any]) -> Iterator[Sequence[Observation]]:
        """Returned and timed-out submissions, a list each, the newest first."""
        return reads.left(self._client, run_facts["study_id"])

    def look(self, run_facts: Mapping[str, Any], submission: str) -> Observation:
        """One read of one submission."""
        return reads.look(self._client, run_facts["study_id"], submission)

    def recruits(self, run_facts: Mapping[str, Any]) -> bool:
        """One read of the study."""
        return evidence.recruits(self._client.study(run_facts["study_id"]).status)

    def quote(self, pay_minor: int, currency: str, places: int) -> Quote:
        """Prolific's own calculator, fees and VAT included."""
        return reads.quote(self._client, self.account.facts["workspace"], pay_minor, currency, places)

    def balance(self) -> Quote:
        """What the workspace has available."""
        return reads.balance(self._client, self.account.facts["workspace"])

    def holdings(self) -> Quote:
        """What the workspace has, with what open studies hold of it."""
        return reads.holdings(self._client, self.account.facts["workspace"])

    def check(self) -> None:
        """Ask who the token belongs to."""
        self._client.me()
