"""What is read of Prolific's answers: JSON goes in, checked values come out; unused fields are not looked at."""

from decimal import Decimal
from typing import Annotated, TypeVar

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

from providers.errors import UnknownError
from providers.outcome import redacted
from providers.prolific import mapping

T = TypeVar("T")
Ident = Annotated[str, Field(pattern="^[0-9A-Za-z_-]{1,64}$")]
Word = Annotated[str, AfterValidator(mapping.word)]
Whole = Annotated[int, BeforeValidator(mapping.whole)]
Exact = Annotated[Decimal, BeforeValidator(mapping.exact)]
Minor = Annotated[int, BeforeValidator(mapping.minor)]


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Listed(_Shape):
    """A study as lists show it."""

    id: Ident
    internal_name: str | None = None


class Study(Listed):
    """A study; `places` is absolute."""

    status: Word
    places: Whole = Field(validation_alias="total_available_places")


class Draft(Study):
    """A study with its `reward`: what one participant is paid, in minor units of the account's currency."""

    reward: Whole


class Decided(_Shape):
    """A submission where only its state matters."""

    id: Ident
    status: Word


class Submission(Decided):
    """A submission; lists and single reads name the participant differently."""

    participant: Ident = Field(validation_alias=AliasChoices("participant_id", "participant"))


class Visit(Submission):
    """A submission with the study that it belongs to."""

    study: Ident = Field(validation_alias="study_id")


class Balance(_Shape):
    """What a workspace has left to spend, in minor units of its currency."""

    total: Minor = Field(validation_alias="total_balance")
    available: Minor = Field(validation_alias="available_balance")
    currency: str = Field(validation_alias="currency_code", pattern="^[A-Z]{3}$")


class Known(_Shape):
    """A user, a workspace or a project, of which only the id is used."""

    id: Ident


class Named(_Shape):
    """A participant group."""

    id: Ident
    name: str
    is_deleted: bool = False


class Member(_Shape):
    """Somebody in a participant group."""

    participant: Ident = Field(validation_alias="participant_id")


class Message(_Shape):
    """What somebody wrote."""

    body: str


class Cost(_Shape):
    """What the calculator answers, fees and VAT included, in minor units."""

    total_cost: Minor


class Batch(_Shape):
    """Bonuses that were set up: what they pay, and what leaves the wallet for it, in minor units with fractions."""

    id: Ident
    study: Ident | None = None
    amount: Exact | None = None
    total: Exact = Field(validation_alias="total_amount")


class Paid(_Shape):
    """A submission with the bonuses that were paid on it, in minor units."""

    id: Ident
    bonus_payments: list[Whole]


STUDY, DRAFT, STUDIES = TypeAdapter(Study), TypeAdapter(Draft), TypeAdapter(list[Listed])
VISIT = TypeAdapter(Visit)
DECIDED, SUBMISSIONS = TypeAdapter(Decided), TypeAdapter(list[Submission])
BALANCE, COST = TypeAdapter(Balance), TypeAdapter(Cost)
USER, KNOWN = TypeAdapter(Known), TypeAdapter(list[Known])
GROUP, GROUPS, MEMBERS = TypeAdapter(Named), TypeAdapter(list[Named]), TypeAdapter(list[Member])
MESSAGES = TypeAdapter(list[Message])
BATCH, PAID = TypeAdapter(Batch), TypeAdapter(Paid)
COUNTS = TypeAdapter(dict[Word, Whole])


def read(shape: TypeAdapter[T], answer: object) -> T:
    """Check an answer.

    Raises:
        UnknownError: a field that is used is missing or is not what it should be.
    """
    try:
        return shape.validate_python(answer)
    except ValidationError as error:
        # The names only: the error itself holds the vendor's values.
        names = sorted({part for one in error.errors() for part in one["loc"] if isinstance(part, str)})
    at = f" at {redacted(', '.join(names[:5]))}" if names else ""
    raise UnknownError(f"Prolific's answer has an unexpected shape{at}; its state is read before anything else.")
