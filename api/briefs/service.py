"""What the specialist of an appointment may ask before it."""

from api.briefs import repository
from api.briefs.schemas import Brief
from api.gateway import Access, Caller
from api.profiles.columns import shown
from api.profiles.service import as_id
from api.services import Services
from policies.access.model import Resource
from policies.classification import ProfileField, is_contact, needs_consent
from policies.words import Action

_PROFILE = tuple(field for field in ProfileField if needs_consent(field) and not is_contact(field))
_FIELDS = frozenset({"patient_id", "name", "records", *_PROFILE})


async def read(serving: Services, caller: Caller, clinic: str, appointment: str) -> Brief:
    """What belongs to an appointment: the profile while it is shared, the clinic's own records always.

    Raises:
        NotThere: no such appointment, or another specialist's.
    """
    access = Access(Action.BRIEF_READ, Resource(clinic, patient=True), _FIELDS)
    row = await repository.brief(await serving.gateway.person(caller, access), as_id(appointment), _PROFILE)
    parts = {
        "profile": shown(row, _PROFILE, serving.codec) if row["shared"] else None,
        "done": [form for form in row["forms"] if form["status"] == "completed"],
        "missing": [form for form in row["forms"] if form["status"] != "completed"],
    }
    return Brief.model_validate({**row, **parts})
