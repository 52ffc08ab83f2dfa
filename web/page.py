"""The key that a task's page shows goes in, the run that it opens comes out, or a refusal that tells nothing else."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from models.session import transaction
from models.settings import settings
from models.task_run import TaskRun
from web.origins import origin_of
from web.refusals import DeniedError

BEARER = HTTPBearer(auto_error=False)


@dataclass(frozen=True, slots=True)
class Page:
    """The run of a page, and what a request about it may call it."""

    run_id: UUID
    run: str
    provider: str
    account: str
    origin: str | None

    def assert_means(self, provider: str, account: str, run: str | None) -> None:
        """Refuse a request that names something else than its key does.

        Raises:
            DeniedError: the vendor, the account or the run is another one.
        """
        if provider != self.provider:
            raise DeniedError(403, "wrong_provider", "The page's key is for a run at another vendor.")
        if account != self.account:
            raise DeniedError(403, "wrong_account", "The page's key is for a run of another account.")
        if run not in (None, self.run, str(self.run_id)):
            raise DeniedError(403, "wrong_run", "The page's key is for another run.")


def page_of(request: Request, bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]) -> Page:
    """The run whose page asks.

    Raises:
        DeniedError: no run has this key, or the page is not where the run's is.
    """
    page = _page(bearer.credentials) if bearer else None
    if page is None:
        told = "The page's key is missing or unknown: send `Authorization: Bearer KEY` with the `key` of the address."
        raise DeniedError(401, "unknown_key", told, WWW_Authenticate="Bearer")
    if request.headers.get("origin") not in (None, page.origin, origin_of(settings().web_url or str(request.base_url))):
        raise DeniedError(403, "wrong_origin", "The run's page is at another address than this one.")
    return page


def _page(key: str) -> Page | None:
    with transaction() as session:
        wanted = select(TaskRun).where(TaskRun.page_key == key).options(joinedload(TaskRun.requester))
        run = session.scalars(wanted).one_or_none()
        if run is None:
            return None
        return Page(run.id, run.name, run.provider_type, run.requester.name, origin_of(run.task_url))
