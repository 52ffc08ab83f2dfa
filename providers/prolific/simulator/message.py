"""One message from the researcher to one participant, in the shape that Prolific's document gives it."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from providers.prolific.simulator.clock import stamp


@dataclass(frozen=True, slots=True)
class Message:
    """The document shows the sender only; whom it went to follows from the `user_id` that was asked for."""

    id: str
    sender: str
    recipient: str
    body: str
    sent: datetime
    study: str | None

    def shown(self) -> dict[str, Any]:
        """The message as it is listed (Message of the document)."""
        return {
            "id": self.id,
            "sender_id": self.sender,
            "body": self.body,
            "sent_at": stamp(self.sent),
            "type": "message",
            "channel_id": sha256(f"{self.sender}/{self.recipient}".encode()).hexdigest(),
            "data": {"study_id": self.study} if self.study else {},
        }
