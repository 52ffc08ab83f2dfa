"""The ledger's postings go out as JSON Lines or CSV, as they are read: one row a posting, the oldest first."""

import csv
import json
from collections.abc import Iterator, Mapping
from typing import Any, TextIO
from uuid import UUID

from sqlalchemy import case, select
from sqlalchemy.orm import Session

from cli import export
from cli.console import plain
from models.posting import Entry, Posting
from models.requester import Requester
from models.task_run import TaskRun

_AT_ONCE = 500
_COLUMNS = {
    "id": Posting.id,
    "at": Posting.created_at,
    "account": Requester.name,
    "run": TaskRun.name,
    "run_id": Posting.run_id,
    "unit": Posting.unit_id,
    "agent": Posting.agent_id,
    "operation": Posting.operation_id,
    "kind": Posting.kind,
    "purpose": Posting.purpose,
    "amount_minor": Posting.amount_minor,
    "fee_minor": Posting.fee_minor,
    "currency": Posting.currency,
}
_STEP = case({entry: step for step, entry in enumerate((Entry.RESERVE, Entry.ADJUST))}, value=Posting.kind, else_=2)
"""What was written at one moment, in the order in which it counts."""


def write(session: Session, run: UUID | None, stream: TextIO, wanted: export.Format) -> int:
    """Write the postings of a run, or all of them, to a stream; how many they were."""
    rows = _rows(session, run)
    if wanted is export.Format.JSONL:
        return sum(1 for row in rows if stream.write(json.dumps(row, ensure_ascii=False, default=plain) + "\n"))
    writer = csv.writer(stream)
    writer.writerow(_COLUMNS)
    return sum(1 for row in rows if writer.writerow([export.cell(value) for value in row.values()]))


def _rows(session: Session, run: UUID | None) -> Iterator[Mapping[str, Any]]:
    columns = [column.label(name) for name, column in _COLUMNS.items()]
    joined = select(*columns).select_from(Posting).join(Requester, Requester.id == Posting.requester_id)
    joined = joined.outerjoin(TaskRun, TaskRun.id == Posting.run_id)
    if run is not None:
        joined = joined.where(Posting.run_id == run)
    ordered = joined.order_by(Posting.created_at, _STEP, Posting.id)
    for row in session.execute(ordered, execution_options={"yield_per": _AT_ONCE}).mappings():
        yield {name: row[name] for name in _COLUMNS}
