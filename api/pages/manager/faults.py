"""What is wrong with a form, in words beside its field."""

from pydantic import ValidationError

from api.pages.texts import N_
from infra.errors import Misplaced

FAULTS = {
    "name": N_("A name has 1 to 200 characters."),
    "description": N_("A description has up to 2,000 characters."),
    "slug": N_("A short name has small letters, digits and single hyphens between them, 80 at most."),
    "url": N_("An address begins with https and is a public one."),
    "segments": N_("Choose segments that there are."),
    "kinds": N_("Choose one kind of change at least."),
}
# By the rule that was broken, where the field alone does not tell.
RULES = {
    "taken": N_("There is a segment of this short name already."),
    "reserved": N_("This short name has a meaning of its own. Choose another one."),
    "changed_meanwhile": N_("Somebody else changed it meanwhile. Look at what it is now, then save again."),
    "used_by": N_("Other segments name it, and would mean nothing without it."),
    "archived": N_("It is archived already."),
    "not_archived": N_("It is not archived any more: somebody had it back already."),
    "broken": N_("The rule that is saved is none any more. Another one takes its place."),
    "too_many": N_("There are as many as there may be."),
}


def said(error: Exception) -> dict[str, str]:
    """Faults by field: the last word of the place that an error names.

    Raises:
        Exception: the error itself, where it is none of a form's.
    """
    if isinstance(error, ValidationError):
        return {str(fault["loc"][0]): FAULTS.get(str(fault["loc"][0]), fault["msg"]) for fault in error.errors()}
    if not isinstance(error, Misplaced):
        raise error
    field = error.place.split(",")[0].split(".")[1:2] or [""]
    text = RULES.get(error.rule) or error.detail or FAULTS.get(field[0], error.message)
    return {field[0]: text}
