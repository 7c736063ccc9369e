"""What is wrong with a form, said beside its field."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from infra.errors import InvalidInput, Misplaced

Said = TypeVar("Said", bound=BaseModel)


def checked(model: type[Said], asked: dict[str, Any]) -> Said:
    """What a form says; it sends texts, so that the text of a number is one here.

    Raises:
        InvalidInput: not as the model wants it; names the field.
    """
    try:
        return model.model_validate(asked, strict=False)
    except ValidationError as error:
        raise InvalidInput("not valid", place=f"body.{error.errors()[0]['loc'][0]}") from None


def beside(error: Misplaced, said: dict[str, str]) -> dict[str, str]:
    """The fault by its field: `said` has a text for each place, or for a place and the rule that it breaks there.

    Raises:
        Misplaced: the error itself, where it is of no field of the form.
    """
    place = error.place or ""
    text = said.get(f"{place} {error.rule}") or said.get(place)
    if text is None:
        raise error
    return {place.rpartition(".")[2]: text}
