"""An account for a patient who has none, and no guardian of today: staff of a clinic says where the code goes."""

from api.families import repository as families
from api.gateway import Access, Caller
from api.profiles.service import as_id
from api.services import Services
from api.verifications import repository
from api.verifications.schemas import CodeSent, Starting
from infra.encryption.contacts import canonical
from infra.errors import InvalidInput, NotThere, Refused
from policies.access.model import Resource
from policies.words import Action


async def start(serving: Services, caller: Caller, clinic: str, patient: str, asked: Starting) -> CodeSent:
    """Have a code sent by which the patient has an account of their own; who had one before needs the new one.

    Whoever has the mail takes it up, and nobody else: the clinic sees no code, and is not told if the address had too
    many.

    Raises:
        NotThere: not the caller's clinic, or no such patient of it.
        InvalidInput: no email address.
        Refused: the patient has an account or a guardian, is another clinic's too, or is not known to be of age;
            which of these is not said.
    """
    async with serving.gateway.work(caller, Access(Action.VERIFICATION_START, Resource(clinic))) as work:
        if work.clinic is None:
            raise NotThere("no such clinic")
        email = _email(asked)
        clinic_id = work.clinic.clinic_id
        person = await families.person_of_patient(work, clinic_id, as_id(patient))
        if not await families.is_on_their_own(work, person, clinic_id):
            raise Refused("not on their own", place="path.patient", rule="cared_for")
        begun = await repository.start(
            work, serving.codec,
            person_id=person, clinic_id=clinic_id, channel="email", contact=email, on_their_own=True,
        )  # fmt: skip
        if begun.sent:
            repository.end_others(work, begun, person_id=person, clinic_id=clinic_id)
    return CodeSent()


def _email(asked: Starting) -> str:
    if not asked.email:
        raise InvalidInput("is missing", place="email", rule="missing")
    return canonical("email", asked.email)
