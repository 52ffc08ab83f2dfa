"""A reference to a secret goes in (``env:NAME`` or ``file:/path``), the secret comes out, and never prints."""

import os
import re
from pathlib import Path

from pydantic import SecretStr

from providers.errors import AccountError

_FORMS = "A credential is env:NAME (an environment variable) or file:/absolute/path, never the secret itself."
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TOKEN = re.compile(r"[!-~]{1,4096}")


def split(reference: str) -> tuple[str, str]:
    """The scheme and the place of a reference, checked without reading the secret.

    Raises:
        AccountError: it is no reference; it is not repeated in the message, since it may be the secret itself.
    """
    scheme, _, place = reference.partition(":")
    if (scheme == "env" and _NAME.fullmatch(place)) or (scheme == "file" and place.startswith("/")):
        return scheme, place
    raise AccountError(f"The account's credential is not a reference. {_FORMS}")


def resolve(reference: str) -> SecretStr:
    """Read the secret that `reference` names; it is read anew each time, so that a rotated one is taken up.

    Raises:
        AccountError: the reference is malformed, or there is no usable secret at its place.
    """
    scheme, place = split(reference)
    found = os.environ.get(place) if scheme == "env" else _content(Path(place))
    secret = (found or "").strip()
    if not secret:
        raise AccountError(f"There is no secret at {reference}. Provide it to the workers, then resume the account.")
    if not _TOKEN.fullmatch(secret):
        raise AccountError(f"What stands at {reference} is no token: one line of printable ASCII is expected.")
    return SecretStr(secret)


def _content(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
    raise AccountError(f"The secret at file:{path} cannot be read: {reason}. Mend it, then resume the account.")
