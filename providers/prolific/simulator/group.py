"""A participant group: who is in it since when, and the two shapes that Prolific's document gives it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from providers.prolific.simulator.clock import stamp
from providers.prolific.simulator.study import Study

FEEDING = ("ADD_TO_PARTICIPANT_GROUP", "REMOVE_FROM_PARTICIPANT_GROUP")


@dataclass
class Group:
    """Lives on once deleted: the document only marks it, and what it lets in or keeps out stays as it was."""

    id: str
    name: str
    description: str | None = None
    workspace: str | None = None
    organisation: str | None = None
    deleted: bool = False
    members: dict[str, datetime] = field(default_factory=dict)
    """Participants in the order they were added, with the moment."""

    def add(self, participants: Iterable[str], moment: datetime) -> list[str]:
        """Let participants in; the ones who were not members yet."""
        new = [one for one in dict.fromkeys(participants) if one not in self.members]
        self.members |= dict.fromkeys(new, moment)
        return new

    def remove(self, participants: Iterable[str]) -> list[str]:
        """Take participants out; the ones who were members."""
        old = [one for one in dict.fromkeys(participants) if one in self.members]
        for one in old:
            del self.members[one]
        return old

    def shown(self, studies: Iterable[Study]) -> dict[str, Any]:
        """The group itself (ParticipantGroup of the document)."""
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "project_id": None,
            "workspace_id": self.workspace,
            "organisation_id": self.organisation,
            "participant_count": len(self.members),
            "is_deleted": self.deleted,
            "feeder_studies": [feeder for study in studies if (feeder := _feeder(study, self.id))],
        }

    def membership(self) -> dict[str, Any]:
        """Its members (ParticipantGroupMembershipListResponse of the document)."""
        rows = [{"participant_id": one, "datetime_created": stamp(since)} for one, since in self.members.items()]
        return {"results": rows}


def _feeder(study: Study, group: str) -> dict[str, Any] | None:
    codes = [
        {"code": code["code"], "code_type": code["code_type"], "action": action["action"]}
        for code in study.fields["completion_codes"]
        for action in code["actions"]
        if action.get("action") in FEEDING and action.get("participant_group") == group
    ]
    head = {name: study.short()[name] for name in ("id", "name", "internal_name", "status")}
    return head | {"feeder_completion_codes": codes} if codes else None
