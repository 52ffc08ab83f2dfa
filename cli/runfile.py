"""A run file with its units goes in; the run that is wanted comes out, checked, or every problem with its line."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails

from cli import money, units
from cli.document import Document, canonical, load
from cli.failure import InputError
from cli.offer import Offer
from models.requirement import Requirement
from providers.contract import Quote
from tasks.runs import Spec

Model = TypeVar("Model", bound=BaseModel)


def _code(text: str) -> str:
    if text not in money.EXPONENTS:
        raise ValueError(f"must be the code of a currency that is known: {', '.join(sorted(money.EXPONENTS))}")
    return text


def _address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or not text.isprintable() or " " in text:
        raise ValueError("must be the http or https address of the task's page")
    return text


def _amount(value: object, info: ValidationInfo) -> Decimal:
    return money.amount(value, info.data.get("currency"))


Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")
]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, pattern=r"^[^\x00]+$")]
Amount = Annotated[Decimal, BeforeValidator(_amount)]
Minutes = Annotated[int, Field(ge=1, le=100_000)]


class RunFile(BaseModel):
    """What a run file may say. Amounts are in major units, with as many decimals as the currency has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Line
    project: Line = "default"
    task: Line | None = None
    """The run's name, unless it is given."""
    title: Line
    description: Text
    task_url: Annotated[str, AfterValidator(_address)]
    currency: Annotated[str, AfterValidator(_code)]
    pay: Amount
    budget: Amount
    """The most that may be spent, fees included."""
    estimated_minutes: Minutes
    maximum_minutes: Minutes | None = None
    completion_codes: Annotated[list[Line], Field(min_length=1)]
    requester: Line
    """The name of the account."""
    units: Line
    """Where the rows are, relative to the run file."""
    units_per_assignment: Annotated[int, Field(ge=1, le=1000)] = 1
    maximum_units_per_worker: Annotated[int, Field(ge=1, le=1000)] = 1
    qualifications: list[Requirement] = []
    """What workers must have been granted to take a place; all of it."""
    refill: bool = False
    """Whether a rejected place may be taken by somebody else while people are recruited."""
    provider: dict[str, Any] = {}
    """What only the vendor understands; its provider checks it."""

    @field_validator("maximum_minutes")
    @classmethod
    def _is_enough(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and value < info.data.get("estimated_minutes", 0):
            raise ValueError("must not be less than estimated_minutes")
        return value

    @field_validator("completion_codes")
    @classmethod
    def _are_unique(cls, value: list[str]) -> list[str]:
        if len(set(value)) != len(value):
            raise ValueError("must not name a code twice")
        return value


@dataclass(frozen=True, slots=True)
class Wanted:
    """A checked run file with its rows."""

    file: RunFile
    rows: units.Rows

    @property
    def pay_minor(self) -> int:
        """What one unit pays, in minor units."""
        return money.minor(self.file.pay, self.file.currency)

    @property
    def budget_minor(self) -> int:
        """The most that may be spent, in minor units."""
        return money.minor(self.file.budget, self.file.currency)

    @property
    def places(self) -> int:
        """How many units there are in all."""
        return len(self.rows) * self.file.units_per_assignment

    @property
    def offer(self) -> Offer:
        """What a vendor is asked the price of."""
        return Offer(
            name=self.file.name,
            title=self.file.title,
            task_url=self.file.task_url,
            pay_minor=self.pay_minor,
            currency=self.file.currency,
            budget_minor=self.budget_minor,
            places=self.places,
        )

    def spec(self, *, sandbox: bool, cost: Quote | None = None) -> Spec:
        """The run as `tasks.runs` makes it, with what the vendor says it costs; the place of its rows is no part."""
        file = self.file
        args = file.model_dump(mode="json", exclude={"units"}) | {"task": file.task or file.name}
        return Spec(
            name=file.name,
            project=file.project,
            task=args["task"],
            task_url=file.task_url,
            pay_minor=self.pay_minor,
            currency=file.currency,
            budget_minor=self.budget_minor,
            units_per_assignment=file.units_per_assignment,
            args=args,
            content_hash=sha256(canonical([args, self.rows]).encode()).hexdigest(),
            sandbox=sandbox,
            refill=file.refill,
            quoted_minor=cost.total_minor if cost else None,
            quoted_places=self.places if cost else None,
        )


def read(path: Path, args_of: Callable[[str], type[BaseModel] | None], limit: int | None = None) -> Wanted:
    """Read and check a run file and its units, or the first `limit` rows of them.

    Args:
        path: The run file.
        args_of: Gives the model of what an account's vendor understands; None for an account that is not known.
        limit: How many rows to take.

    Raises:
        InputError: with every problem, each with its file and line.
    """
    document = load(path)
    data = document.data | _for_vendor(document, args_of)
    file = _checked(document, RunFile, data)
    rows = _rows(document)
    if file is None or document.problems:
        raise document.refusal()
    return Wanted(file, rows[:limit])


def _for_vendor(document: Document, args_of: Callable[[str], type[BaseModel] | None]) -> dict[str, Any]:
    """The `provider` mapping as the vendor's own model reads it."""
    args = args_of(str(document.data.get("requester")).strip())
    if args is None:
        return {}
    given = document.value("provider") if document.data.get("provider") is not None else {}
    checked = _checked(document, args, given, ("provider",))
    if checked is None:
        return {}
    try:
        found = checked.model_dump(mode="json")
        canonical(found)
    except (ValueError, TypeError) as error:
        document.problem(("provider",), f"cannot be stored: {error}")
        return {}
    return {"provider": found}


def _rows(document: Document) -> units.Rows:
    named = document.data.get("units")
    if not isinstance(named, str) or not named.strip():
        return []
    try:
        rows, problems = units.read(document.path.parent / named.strip())
    except InputError as error:
        document.problem(("units",), str(error))
        return []
    document.problems += problems
    return rows


def _checked(document: Document, model: type[Model], data: Any, at: tuple[str, ...] = ()) -> Model | None:  # noqa: ANN401 - it is what is checked
    try:
        return model.model_validate(data)
    except ValidationError as error:
        for found in error.errors(include_url=False):
            document.problem((*at, *found["loc"]), _reason(found, model))
        return None


def _reason(error: ErrorDetails, model: type[BaseModel]) -> str:
    match error["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            near = get_close_matches(str(error["loc"][-1]), model.model_fields, 1)
            return "there is no such field" + (f"; is {near[0]} meant?" if near else "")
        case "string_pattern_mismatch":
            return "must not hold control characters"
        case _:
            return error["msg"].removeprefix("Value error, ").removeprefix("Input ")
