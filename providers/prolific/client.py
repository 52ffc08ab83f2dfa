"""Prolific's endpoints as typed methods: plain values go in, checked values come out, over `providers.http` only.

An answer without a field that is used here is an `UnknownError`; fields that nobody uses are not looked at.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from itertools import count
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import SecretStr, TypeAdapter

from models.settings import SettingsError, settings
from providers import http
from providers.credential import resolve
from providers.errors import AccountError, RejectedError, UnknownError
from providers.outcome import NotFoundError
from providers.prolific import shapes
from providers.prolific.paging import assert_kept, continues
from providers.prolific.shapes import (
    Balance,
    Decided,
    Draft,
    Listed,
    Named,
    Study,
    Submission,
    T,
    Visit,
    read,
)

REAL = "https://api.prolific.com"
PAGE = 100
"""Rows a page; larger pages are not documented."""

_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_NO_FUNDS = re.compile(
    r"\b(insufficient|sufficient|enough|lacks?|exceeds?)\b.{0,40}\b(funds?|balance|money|credit)\b"
    r"|\b(funds?|balance|money|credit)\b.{0,40}\b(insufficient|sufficient|enough|too low|exceeded)\b"
    r"|\btop[ -]?up\b|HTTP 402",
    re.IGNORECASE,
)

R = TypeVar("R", Draft, Study, Decided, Visit, Named, shapes.Paid)


def base_url() -> str:
    """Where Prolific is: the real one, or ``CROWDOPS_PROLIFIC_URL``.

    Raises:
        SettingsError: a token would travel unencrypted, or the address holds more than a host.
    """
    url = settings().prolific_url or REAL
    parts = urlsplit(url)
    bare = not (parts.query or parts.fragment or parts.username or parts.password)
    if bare and parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and _local(parts.hostname))):
        return url.rstrip("/")
    raise SettingsError(
        "CROWDOPS_PROLIFIC_URL must be https://host, or http://host on this machine's loopback; a token must not "
        "travel unencrypted."
    )


def _local(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Client:
    """Prolific with one account's token, which is read anew for each request. Thread-safe.

    Every method raises the errors of `providers.http.call`, `AccountError` also for a lack of funds.
    """

    credential: str
    url: str = field(default_factory=base_url)

    def me(self) -> str:
        """The user of the token; the cheapest proof that it works."""
        return read(shapes.USER, self._call("GET", "users/me/")).id

    def workspaces(self) -> list[str]:
        """The workspaces that the token's user may use."""
        return self._ids("workspaces/")

    def projects(self, workspace: str) -> list[str]:
        """The projects of a workspace."""
        return self._ids(f"workspaces/{_safe(workspace)}/projects/")

    def _ids(self, path: str) -> list[str]:
        answer = self._call("GET", path)
        return [one.id for one in read(shapes.KNOWN, _results(answer))]

    def balance(self, workspace: str) -> Balance:
        """What the workspace can still spend."""
        return read(shapes.BALANCE, self._call("GET", f"workspaces/{_safe(workspace)}/balance/"))

    def cost(self, reward: int, places: int) -> int:
        """What a study costs with fees and VAT, in minor units of the account's currency."""
        asked = {"reward": reward, "total_available_places": places}
        return read(shapes.COST, self._call("POST", "study-cost-calculator/", json=asked)).total_cost

    def create_study(self, draft: Mapping[str, Any]) -> Draft:
        """A new draft; each call adds one."""
        return read(shapes.DRAFT, self._call("POST", "studies/", json=draft))

    def draft(self, study: str) -> Draft:
        """One study with what it pays."""
        return _same(study, read(shapes.DRAFT, self._call("GET", f"studies/{_safe(study)}/")))

    def study(self, study: str) -> Study:
        """One study."""
        return _same(study, read(shapes.STUDY, self._call("GET", f"studies/{_safe(study)}/")))

    def studies(self, project: str | None) -> Iterator[Sequence[Listed]]:
        """All studies of a project, or of the account, in any state, page by page."""
        path = f"projects/{_safe(project)}/studies/" if project else "studies/"
        return self._pages(path, shapes.STUDIES, {"ordering": "-date_created"} if project else {})

    def set_places(self, study: str, places: int) -> Study:
        """Set the absolute number of places; a published study only accepts more than it has."""
        body = {"total_available_places": places}
        return _same(study, read(shapes.STUDY, self._call("PATCH", f"studies/{_safe(study)}/", json=body)))

    def transition_study(self, study: str, action: str) -> Study:
        """PUBLISH, PAUSE, START or STOP a study."""
        answer = self._call("POST", f"studies/{_safe(study)}/transition/", json={"action": action})
        return _same(study, read(shapes.STUDY, answer))

    def delete_study(self, study: str) -> None:
        """Delete a draft; a published study cannot be deleted."""
        self._call("DELETE", f"studies/{_safe(study)}/")

    def counts(self, study: str) -> dict[str, int]:
        """How many submissions a study has in each state, and ``TOTAL``; absent words mean zero."""
        return read(shapes.COUNTS, self._call("GET", f"studies/{_safe(study)}/submissions/counts/"))

    def submissions(
        self, study: str, *, newest_first: bool = False, status: str | None = None
    ) -> Iterator[Sequence[Submission]]:
        """All submissions of a study, in any or one state, in the stable order of their start, page by page."""
        order = "-started_at" if newest_first else "started_at"
        wanted = {"study": _safe(study), "ordering": order} | ({"status": status} if status else {})
        return self._pages("submissions/", shapes.SUBMISSIONS, wanted)

    def submission(self, submission: str) -> Decided:
        """The state of one submission."""
        return _same(submission, read(shapes.DECIDED, self._call("GET", f"submissions/{_safe(submission)}/")))

    def visit(self, submission: str) -> Visit:
        """One submission with its study and its participant."""
        return _same(submission, read(shapes.VISIT, self._call("GET", f"submissions/{_safe(submission)}/")))

    def reject(self, submission: str, category: str, message: str) -> Decided:
        """Reject one submission; the participant reads the message. Documented as idempotent."""
        wish = {"action": "REJECT", "rejection_category": category, "message": message}
        answer = self._call("POST", f"submissions/{_safe(submission)}/transition/", json=wish)
        return _same(submission, read(shapes.DECIDED, answer))

    def approve(self, submission: str) -> Decided:
        """Approve one submission; documented as idempotent."""
        answer = self._call("POST", f"submissions/{_safe(submission)}/transition/", json={"action": "APPROVE"})
        return _same(submission, read(shapes.DECIDED, answer))

    def bulk_approve(self, submissions: Sequence[str]) -> None:
        """Ask for the approval of many submissions; the answer only says that it was asked for."""
        self._call("POST", "submissions/bulk-approve/", json={"submission_ids": [_safe(one) for one in submissions]})

    def set_up_bonuses(self, study: str, rows: str) -> shapes.Batch:
        """Have bonuses reckoned, from lines of an id and an amount in major units; each call makes one more batch."""
        wish = {"study_id": study, "csv_bonuses": rows}
        return read(shapes.BATCH, self._call("POST", "submissions/bonus-payments/", json=wish))

    def pay_bonuses(self, batch: str) -> None:
        """Have a batch paid in the next minutes; each call pays it once more."""
        self._call("POST", f"bulk-bonus-payments/{_safe(batch)}/pay/")

    def bonus_payments(self, submission: str) -> list[int]:
        """The bonuses that were paid on a submission, in minor units."""
        answer = self._call("GET", f"submissions/{_safe(submission)}/")
        return _same(submission, read(shapes.PAID, answer)).bonus_payments

    def groups(self, workspace: str) -> list[Named]:
        """The participant groups of a workspace that were not deleted."""
        asked = {"workspace_id": _safe(workspace), "active": "true"}
        answer = self._call("GET", "participant-groups/", params=asked)
        return [one for one in read(shapes.GROUPS, _results(answer)) if not one.is_deleted]

    def create_group(self, workspace: str, name: str) -> str:
        """A new participant group without members; each call adds one."""
        return read(
            shapes.GROUP, self._call("POST", "participant-groups/", json={"workspace_id": workspace, "name": name})
        ).id

    def group(self, group: str) -> Named:
        """One participant group, deleted or not."""
        return _same(group, read(shapes.GROUP, self._call("GET", f"participant-groups/{_safe(group)}/")))

    def delete_group(self, group: str) -> None:
        """Mark a participant group as deleted; it is not listed any more, and its members cannot be changed."""
        self._call("DELETE", f"participant-groups/{_safe(group)}/")

    def members(self, group: str) -> set[str]:
        """Everybody in a participant group."""
        return self._members("GET", group, None)

    def add_members(self, group: str, participants: Sequence[str]) -> set[str]:
        """Put participants in a group, and tell who is in it then; who was in it before is no error."""
        return self._members("POST", group, {"participant_ids": list(participants)})

    def remove_members(self, group: str, participants: Sequence[str]) -> set[str]:
        """Take participants out of a group, and tell who is in it then; who was not in it is no error."""
        return self._members("DELETE", group, {"participant_ids": list(participants)})

    def send_message(self, participant: str, study: str, text: str) -> None:
        """Let a participant read a text about a study; each call adds a message."""
        wish = {"recipient_id": participant, "body": text, "study_id": study}
        self._call("POST", "messages/", json=wish)

    def messages(self, participant: str) -> list[str]:
        """What was written to and by a participant in the last 30 days."""
        answer = self._call("GET", "messages/", params={"user_id": _safe(participant)})
        return [one.body for one in read(shapes.MESSAGES, _results(answer))]

    def _members(self, method: str, group: str, json: object) -> set[str]:
        answer = self._call(method, f"participant-groups/{_safe(group)}/participants/", json=json)
        return {one.participant for one in read(shapes.MEMBERS, _results(answer))}

    def _pages(self, path: str, rows: TypeAdapter[list[T]], query: Mapping[str, str | int]) -> Iterator[list[T]]:
        """Pages are numbered, never followed by link: an address in an answer gets no token.

        A list ends with a null link, with a 404 past its end, or with a page that brings nothing new.

        Raises:
            UnknownError: a page named a next one, and there was none: what it would have shown is not known.
        """
        before: list[T] | None = None
        promised: bool | None = None
        for page in count(1):
            try:
                answer = self._call("GET", path, params={**query, "page": page, "page_size": PAGE})
            except NotFoundError:
                if page == 1:
                    raise
                return assert_kept(promised=promised)
            listing = answer if isinstance(answer, dict) else {}
            results = read(rows, listing.get("results"))
            if not results or results == before:
                return assert_kept(promised=promised)
            yield results
            if (promised := continues(listing)) is False:
                return None
            before = results

    def _call(
        self, method: str, path: str, *, params: Mapping[str, str | int] | None = None, json: object = None
    ) -> object:
        token = SecretStr(f"Token {resolve(self.credential).get_secret_value()}")
        try:
            return http.call(method, f"{self.url}/api/v1/{path}", authorization=token, params=params, json=json).json
        except RejectedError as refusal:
            if _NO_FUNDS.search(str(refusal)) is None:
                raise
            reason = str(refusal)
        raise AccountError(f"{reason} Add funds to the workspace at Prolific, then resume the account.")


def _results(answer: object) -> object:
    return answer.get("results") if isinstance(answer, dict) else None


def _same(asked: str, answer: R) -> R:
    if answer.id != asked:
        raise UnknownError("Prolific answered about something else than it was asked; its state is read again.")
    return answer


def _safe(ident: str) -> str:
    """An id that may stand in a path; those of workers' browsers come from outside.

    Raises:
        RejectedError: it is none; no request could ever be made with it.
    """
    if _ID.fullmatch(ident):
        return ident
    raise RejectedError("That is not an id of Prolific's (24 hexadecimal digits); nothing was sent.")
