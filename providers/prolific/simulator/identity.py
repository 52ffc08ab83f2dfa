"""The seed and a name go in; an id of 24 hexadecimal characters or a random stream of its own comes out.

Each name has its own stream, so the crowd of a study does not depend on when anybody called the API.
"""

from hashlib import sha256
from random import Random


def identifier(seed: int, *name: object) -> str:
    """The id of the thing with this name, in the shape of Prolific's ids."""
    return sha256("/".join(map(str, (seed, *name))).encode()).hexdigest()[:24]


def stream(seed: int, *name: object) -> Random:
    """The random numbers of the thing with this name."""
    return Random("/".join(map(str, (seed, *name))))  # noqa: S311 - a crowd must be repeatable, not secret
