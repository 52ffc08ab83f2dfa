"""Who may take a place: a study's rules and the participant groups of this moment go in, a reason or a name comes out.

Filters must all be met; the values of one filter are alternatives. Filters on anything else let everybody in.
"""

from collections.abc import Iterator
from itertools import chain, count

from providers.prolific.simulator.draft import ALLOWLIST, BLOCKLIST
from providers.prolific.simulator.identity import identifier
from providers.prolific.simulator.memory import Memory
from providers.prolific.simulator.study import Study


def barred(memory: Memory, study: Study, participant: str) -> str | None:
    """Why this participant may not take a place in the study; None when nothing is in the way."""
    times = study.participants[participant]
    if study.most_each is not None and times >= study.most_each:
        return f"has {times} of {study.most_each} submissions in it already"
    for word, groups in _group_filters(study):
        inside = any(participant in memory.groups[group].members for group in groups)
        if inside != (word == ALLOWLIST):
            return f"is {'' if inside else 'not '}in a group of its {word}"
    return None


def newcomer(memory: Memory, study: Study) -> str | None:
    """Somebody who may take a place: of an allowlist whoever came least often, else the seed's next participant."""
    allowed = [groups for word, groups in _group_filters(study) if word == ALLOWLIST]
    if not allowed:
        return next(one for one in _everybody(memory, study) if barred(memory, study, one) is None)
    known = chain.from_iterable(memory.groups[group].members for group in allowed[0])
    people = [one for one in known if barred(memory, study, one) is None]
    return min(people, key=study.participants.__getitem__, default=None)


def _everybody(memory: Memory, study: Study) -> Iterator[str]:
    """Without end; those who have been there come too, and are told apart by `barred`."""
    for number in count(study.counts.total()):
        yield identifier(memory.seed, "participant", number)


def _group_filters(study: Study) -> Iterator[tuple[str, list[str]]]:
    for one in study.fields["filters"] or []:
        if one["filter_id"] in (ALLOWLIST, BLOCKLIST):
            yield one["filter_id"], one.get("selected_values", [])
