"""What the rules of a clinic may name."""

from api.gateway import Access, Caller
from api.segments import vocabulary_repository as repository
from api.segments.language_schemas import Vocabulary, VocabularyTemplate
from api.services import Services
from policies.access.model import Resource
from policies.appointments import Status
from policies.words import Action


async def vocabulary(serving: Services, caller: Caller, clinic: str) -> Vocabulary:
    """What the rules of a clinic may name.

    Raises:
        NotThere: no such clinic, or not the caller's to manage.
    """
    async with serving.gateway.open(caller, Access(Action.SEGMENT_VOCABULARY, Resource(clinic))) as grant:
        row = await repository.vocabulary(grant)
    statuses = [status.value for status in Status]
    return Vocabulary(
        **{
            **row,
            "statuses": statuses,
            "templates": [VocabularyTemplate.model_validate(found) for found in row["templates"]],
        }
    )
