"""Identities: the same words make the same id everywhere, and no two intents share one."""

from itertools import combinations, product
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from models.identity import identity, operation_id, requester_id, run_id

ACCOUNT = UUID(int=1)


def test_ids_do_not_change_between_versions():
    """A restored database and a newer program must make the same vendor tokens."""
    assert str(requester_id("prolific", "demo")) == "85ab9368-7ad3-5c05-bfbd-48637ea3afca"
    assert str(run_id(ACCOUNT, "pilot")) == "fdb63694-938f-565a-aa7c-3599365e300e"
    assert str(operation_id(ACCOUNT, "approve", "s1", "1", None, None)) == "ef00f000-589b-57a3-8120-ee34d8847f6c"


def test_every_part_of_an_intent_makes_another_operation():
    parts = [(ACCOUNT, UUID(int=2)), ("approve", "bonus"), ("s1", "s2"), ("1", "2"), (None, 100, 200), (None, "GBP")]
    ids = [operation_id(*chosen) for chosen in product(*parts)]

    assert len(set(ids)) == len(ids)


@given(st.lists(st.lists(st.text(max_size=4), max_size=4), min_size=2, max_size=6, unique_by=tuple))
def test_no_two_lists_of_parts_share_an_id(lists):
    for one, other in combinations(lists, 2):
        assert identity(*one) != identity(*other)
