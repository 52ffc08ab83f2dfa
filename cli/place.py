"""Where the embedded servers live and as whom they run: settings go in; checked directories and programs come out.

Postgres refuses to run as root, so root's servers run as `nobody`, who must be able to reach their files. No mode of a
directory that is not ours is changed for that: what `nobody` cannot reach is kept under `/var/lib` instead.
"""

import hashlib
import logging
import os
import pwd
import shutil
import stat
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from models.settings import settings

log = logging.getLogger("crowdops.servers")


class ServerError(Exception):
    """An embedded server cannot be used; the message says why, and where its log is."""


def account() -> tuple[int, int]:
    """The user and group id of the servers: our own, or those of `nobody` when we are root."""
    if os.getuid() != 0:
        return os.getuid(), os.getgid()
    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


def identity() -> dict[str, Any]:
    """What `subprocess` needs to run a program as `account()`, with an environment that cannot steer it."""
    environment: dict[str, Any] = {"env": {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}}
    if os.getuid() != 0:
        return environment
    uid, gid = account()
    return environment | {"user": uid, "group": gid, "extra_groups": []}


def prepare() -> None:
    """Make the home and the socket directory, unless they are there.

    Raises:
        ServerError: the home cannot be made, or it or the socket directory belongs to somebody else.
    """
    make_home()
    _prepare_sockets()


def make_home() -> None:
    """Make the home, unless it is there.

    Raises:
        ServerError: it cannot be made, or belongs to somebody else.
    """
    home = settings().home
    try:
        if not home.exists():
            home.mkdir(parents=True, exist_ok=True)
            # Only root's home is open for passing through: its servers run as somebody else.
            home.chmod(0o711 if os.getuid() == 0 else 0o700)
        _refuse_a_foreign(home)
        for private in (home / "logs", home / "locks"):
            private.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ServerError(
            f"{home} cannot be used: {error.strerror}. Mend that, or set CROWDOPS_HOME to another directory."
        ) from None


def _refuse_a_foreign(home: Path) -> None:
    if home.stat().st_uid != os.getuid():
        raise ServerError(
            f"{home} belongs to user {home.stat().st_uid}, and you are user {os.getuid()}. "
            "Run as that user, or set CROWDOPS_HOME to a directory of your own."
        )


def write_private(path: Path, text: str) -> None:
    """Write a new file that only its owner may read."""
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(text)


def _prepare_sockets() -> None:
    path, (uid, gid) = settings().socket_dir, account()
    path.mkdir(mode=0o700, exist_ok=True)
    facts = path.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid not in {uid, os.getuid()} or facts.st_mode & 0o077:
        raise ServerError(
            f"{path} is not a private directory of yours, so the servers' sockets would not be safe in it. "
            "Remove it, or set CROWDOPS_HOME to another directory."
        )
    os.chown(path, uid, gid, follow_symlinks=False)


def data(name: str) -> Path:
    """The directory of one server's data; it may not exist yet."""
    return _ground(settings().home) / name


def owned(path: Path) -> Path:
    """Make a private directory that belongs to the servers' user."""
    path.mkdir(mode=0o700)
    os.chown(path, *account())
    return path


@lru_cache
def _ground(home: Path) -> Path:
    elsewhere = Path("/var/lib") / f"crowdops-{hashlib.sha256(str(home).encode()).hexdigest()[:10]}"
    if os.getuid() != 0 or (home / "postgres").exists():
        return home
    if not elsewhere.exists() and _open_to_all(home):
        return home
    log.warning("User nobody cannot reach %s: the embedded servers keep their files in %s.", home, elsewhere)
    elsewhere.mkdir(exist_ok=True)
    elsewhere.chmod(0o711)
    return elsewhere


def _open_to_all(path: Path) -> bool:
    path = path.resolve()
    return all(step.stat().st_mode & stat.S_IXOTH for step in (path, *path.parents))


def program(package: str, pattern: str) -> Path:
    """The one executable of an installed package whose path matches; a copy of it, if it is out of reach.

    Args:
        package: the import name; it is located, never imported.
        pattern: the path inside the package, as a glob.

    Raises:
        ServerError: the package has no such file on this platform.
    """
    spec = find_spec(package)
    roots = list(spec.submodule_search_locations or []) if spec else []
    found = [path for root in roots for path in Path(root).glob(pattern)]
    if not found:
        raise ServerError(
            f"The package {package} brings no program for this platform. "
            "Set CROWDOPS_DATABASE_URL and CROWDOPS_BROKER_URL to servers of your own."
        )
    if os.getuid() != 0 or _open_to_all(found[0]):
        return found[0]
    root = Path(roots[0])
    return _copy(package, root) / found[0].relative_to(root.parent)


def _copy(package: str, root: Path) -> Path:
    """Copy a package beside the data, with the `.libs` folder that its programs are linked to; returns the parent."""
    target = data("programs") / f"{package}-{version(package)}"
    if not target.exists():
        log.warning("User nobody cannot reach %s: a copy is made in %s.", root, target)
        unfinished = target.with_name(target.name + ".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        for source in (root, root.with_name(f"{package}.libs")):
            if source.exists():
                shutil.copytree(source, unfinished / source.name, ignore=shutil.ignore_patterns("include", "*.py"))
        for path in (unfinished.parent, unfinished, *unfinished.rglob("*")):
            path.chmod(0o755)
        unfinished.rename(target)
    return target
