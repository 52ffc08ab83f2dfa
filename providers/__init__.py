"""Finds the provider of an account; vendors register themselves under the entry point group `crowdops.providers`."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any
from uuid import UUID

from models.requester import Requester
from providers.contract import Account, CrowdProvider, Kind
from providers.errors import AccountError


class UnknownProviderError(LookupError):
    """No installed package offers a provider of this type."""


@lru_cache(maxsize=1)
def installed() -> dict[str, type[CrowdProvider]]:
    """Every provider class that is installed, by its type."""
    return {entry.name: entry.load() for entry in entry_points(group="crowdops.providers")}


def provider_class(provider_type: str) -> type[CrowdProvider]:
    """The class of a vendor.

    Raises:
        UnknownProviderError: it is not installed.
    """
    try:
        return installed()[provider_type]
    except KeyError:
        known = ", ".join(sorted(installed())) or "none"
        raise UnknownProviderError(f"There is no provider {provider_type!r}; installed: {known}.") from None


def provider_of(account: Account) -> CrowdProvider:
    """The provider bound to an account."""
    return provider_class(account.provider_type)(account)


def provider_for(account: Account, planned_in: Iterable[bool | None]) -> CrowdProvider:
    """The provider bound to an account, if it is in the world that runs were planned in: a sandbox, or the real one.

    Raises:
        AccountError: real money would move for what was planned in a sandbox, or the other way round.
    """
    provider = provider_of(account)
    if any(world not in (None, provider.is_sandbox()) for world in planned_in):
        here, planned = ("a sandbox", "the real vendor") if provider.is_sandbox() else ("the real vendor", "a sandbox")
        raise AccountError(
            f"This worker speaks to {here}, but the run was planned at {planned}. Give commands and workers the same "
            "address of the vendor in their environment, then resume the account."
        )
    return provider


def kind_of(provider_type: str, kind: str) -> Kind:
    """What a vendor declares about a kind of operation."""
    return provider_class(provider_type).KINDS[kind]


def account_of(requester: Requester) -> Account:
    """A requester as the vendor layer sees it."""
    return Account(requester.id, requester.provider_type, requester.name, requester.credential, requester.facts)


def lane_of(provider_type: str, kind: Kind, account: UUID, facts: Mapping[str, Any]) -> str | None:
    """The lane in which an account's requests of a kind go one at a time, if they do; `facts` are the account's.

    Accounts that spend from one purse share its lanes: the vendor serves a purse's payments one after another.
    """
    fact = provider_class(provider_type).PURSE
    purse = facts.get(fact, account) if fact else account
    return f"{provider_type}:{purse}:{kind.lane}" if kind.lane else None
