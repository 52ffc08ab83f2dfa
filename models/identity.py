"""Names go in, the same UUID comes out on every machine and after every restore: two commands make one row."""

from uuid import UUID, uuid5

_CROWDOPS = UUID("6b1f0d0e-52a4-5e0c-9c57-2d5f6a3e7b11")


def identity(*parts: object) -> UUID:
    """The id of the thing that these parts name; each part is length-prefixed, so that no two lists collide."""
    return uuid5(_CROWDOPS, "".join(f"{len(str(part))}:{part}" for part in parts))


def requester_id(provider_type: str, name: str) -> UUID:
    """An account at a vendor."""
    return identity("requester", provider_type, name)


def run_id(requester: UUID, name: str) -> UUID:
    """A run is known by its name within an account, so launching the same file twice is one run."""
    return identity("run", requester, name)


def assignment_id(run: UUID, index: int) -> UUID:
    """The index-th assignment of a run."""
    return identity("assignment", run, index)


def unit_id(assignment: UUID, index: int) -> UUID:
    """The index-th unit of an assignment."""
    return identity("unit", assignment, index)


def worker_id(provider_type: str, name: str) -> UUID:
    """A worker is known by the vendor's own pseudonym."""
    return identity("worker", provider_type, name)


def group_id(requester: UUID, name: str) -> UUID:
    """A group is known by its name within an account."""
    return identity("group", requester, name)


def agent_id(requester: UUID, submission: str) -> UUID:
    """An agent is one submission of an account."""
    return identity("agent", requester, submission)


def operation_id(  # noqa: PLR0913, PLR0917 - the five parts of an operation's identity
    requester: UUID, kind: str, target: str, key: str, amount_minor: int | None, currency: str | None
) -> UUID:
    """An intent: the same intent is the same operation, and its id is the vendor's token."""
    return identity("operation", requester, kind, target, key, amount_minor, currency)
