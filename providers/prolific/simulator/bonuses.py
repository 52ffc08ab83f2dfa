"""The endpoints of bonuses: a CSV is set up as a batch, which moves no money; paying a batch pays it, each time anew.

The document says that payments are made in the following minutes; Prolific's page warns that paying twice pays twice.
"""

import csv
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from functools import partial
from http import HTTPStatus

from providers.prolific.simulator.answer import Answer, ApiError, success
from providers.prolific.simulator.endpoint import Request
from providers.prolific.simulator.identity import identifier
from providers.prolific.simulator.money import FEE, VAT, cost
from providers.prolific.simulator.state import State
from providers.prolific.simulator.study import Study
from providers.prolific.simulator.submission import Submission

PAY_SECONDS = 60.0
"""How long after its 202 a batch is paid."""
COLUMNS = 2


@dataclass(frozen=True, slots=True)
class Batch:
    """What one set-up holds: submissions with what each gets, in minor units."""

    id: str
    study: Study
    rows: tuple[tuple[Submission, Fraction], ...]

    @property
    def amount(self) -> Fraction:
        """What all participants get."""
        return sum((amount for _, amount in self.rows), Fraction())


def set_up(state: State, request: Request) -> Answer:
    """POST submissions/bonus-payments/. There is no token, so each call makes a batch."""
    wish = request.json()
    study = state.study(str(wish.get("study_id")))
    text = wish.get("csv_bonuses")
    if not isinstance(text, str) or not text.strip():
        raise ApiError(HTTPStatus.BAD_REQUEST, {"csv_bonuses": ["Give at least one row of id and amount."]})
    rows = tuple(_row(state, study, cells) for cells in csv.reader(text.splitlines()) if cells)
    batch = Batch(identifier(state.seed, "bonus", len(state.batches)), study, rows)
    state.batches[batch.id] = batch
    return success(_shown(batch), HTTPStatus.CREATED)


def _shown(batch: Batch) -> dict[str, str | int | float]:
    fees = batch.amount * FEE
    parts = {"amount": batch.amount, "fees": fees, "vat": fees * VAT, "total_amount": cost(1, 1) * batch.amount}
    return {"id": batch.id, "study": batch.study.id} | {name: _number(part) for name, part in parts.items()}


def _number(part: Fraction) -> int | float:
    return int(part) if part.denominator == 1 else round(float(part), 2)


def _row(state: State, study: Study, cells: list[str]) -> tuple[Submission, Fraction]:
    if len(cells) != COLUMNS:
        raise ApiError(HTTPStatus.BAD_REQUEST, {"csv_bonuses": [f"A row has {len(cells)} columns instead of 2."]})
    whom, typed = (cell.strip() for cell in cells)
    try:
        amount = Fraction(Decimal(typed)) * 100
    except (InvalidOperation, ValueError, OverflowError):
        amount = Fraction()
    if amount <= 0 or amount.denominator != 1:
        raise ApiError(HTTPStatus.BAD_REQUEST, {"csv_bonuses": [f"{typed!r} is no amount."]})
    mine = [row for row in study.submissions if whom in (row.id, row.participant) and row.id in state.submissions]
    if not mine:
        raise ApiError(HTTPStatus.BAD_REQUEST, {"csv_bonuses": [f"These took no part in the study: {whom}."]})
    return mine[0], amount


def pay(state: State, request: Request) -> Answer:
    """POST bulk-bonus-payments/{id}/pay/: said twice, it is paid twice."""
    batch = state.batches.get(request.ids["id"])
    if batch is None:
        raise ApiError(HTTPStatus.NOT_FOUND, "No bonus payment matches the given id.")
    state.require(cost(1, 1) * batch.amount)
    state.clock.after(PAY_SECONDS, partial(_carry_out, state, batch))
    return success("The bonuses will be paid shortly.", HTTPStatus.ACCEPTED)


def _carry_out(state: State, batch: Batch) -> None:
    for submission, amount in batch.rows:
        state.bonus(submission, int(amount))
        state.record("bonus_paid", batch.study, submission, amount=int(amount))
