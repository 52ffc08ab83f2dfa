"""Who may take a place: a study's rules, with groups and studies as they are, go in; a reason or a name comes out.

Filters must all be met; the values of one filter are alternatives, and of what keeps out, one is enough. Whoever took a
place in an earlier study took part in it, whatever came of that. Filters on anything else let everybody in.
"""

from collections.abc import Iterator
from itertools import chain, count

from providers.prolific.simulator.draft import ALLOWLIST, BLOCKLIST, NEWCOMERS
from providers.prolific.simulator.identity import identifier
from providers.prolific.simulator.memory import Memory
from providers.prolific.simulator.study import Study


def barred(memory: Memory, study: Study, participant: str) -> str | None:
    """Why this participant may not take a place in the study; None when nothing is in the way."""
    times = study.participants[participant]
    if study.most_each is not None and times >= study.most_each:
        return f"has {times} of {study.most_each} submissions in it already"
    for _, studies in _filters(study, NEWCOMERS):
        if any(memory.studies[one].participants[participant] for one in studies if one in memory.studies):
            return f"took part in a study of its {NEWCOMERS}"
    for word, groups in _filters(study, ALLOWLIST, BLOCKLIST):
        inside = any(participant in memory.groups[group].members for group in groups)
        if inside != (word == ALLOWLIST):
            return f"is {'' if inside else 'not '}in a group of its {word}"
    return None


def newcomer(memory: Memory, study: Study) -> str | None:
    """Somebody who may take a place: of an allowlist whoever came least often, else the seed's next participant."""
    allowed = [groups for _, groups in _filters(study, ALLOWLIST)]
    if not allowed:
        return next(one for one in _everybody(memory, study) if barred(memory, study, one) is None)
    known = chain.from_iterable(memory.groups[group].members for group in allowed[0])
    people = [one for one in known if barred(memory, study, one) is None]
    return min(people, key=study.participants.__getitem__, default=None)


def _everybody(memory: Memory, study: Study) -> Iterator[str]:
    """Without end; those who have been there come too, and are told apart by `barred`."""
    for number in count(study.counts.total()):
        yield identifier(memory.seed, "participant", number)


def _filters(study: Study, *words: str) -> Iterator[tuple[str, list[str]]]:
    for one in study.fields["filters"] or []:
        if one["filter_id"] in words:
            yield one["filter_id"], one.get("selected_values", [])
