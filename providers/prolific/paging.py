"""How Prolific's lists end: a page goes in, whether there is another comes out. Pure."""

from collections.abc import Mapping
from typing import Any

from providers.errors import UnknownError


def continues(listing: Mapping[str, Any]) -> bool | None:
    """Whether a page says that there is another one; None for a page without links, which does not say."""
    links = listing.get("_links")
    if not isinstance(links, dict) or "next" not in links:
        return None
    following = links["next"]
    return bool(following.get("href") if isinstance(following, dict) else following)


def assert_kept(*, promised: bool | None) -> None:
    """Refuse to take a list for whole whose last page had announced another.

    Raises:
        UnknownError: what it would have shown is not known.
    """
    if promised:
        raise UnknownError("A list ended before the page that it had announced; it is read again.")
