"""What a clinic's people may ask about templates, and how a manager saves one."""

import re

from api.gateway import Access, Caller
from api.services import Services
from api.templates import repository
from api.templates.schemas import SavedVersion, TemplateEntry, Templates, TemplateVersion
from infra.errors import InvalidInput, NotThere
from policies.access.model import Resource
from policies.forms.template import Template
from policies.text import fault_of_text
from policies.words import Action

NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")


async def list_templates(serving: Services, caller: Caller, clinic: str) -> Templates:
    """The newest version of each template of a clinic.

    Raises:
        NotThere: no such clinic, or not the caller's.
    """
    async with serving.gateway.open(caller, Access(Action.TEMPLATE_READ, Resource(clinic))) as grant:
        rows = await repository.newest(grant)
    return Templates(templates=[TemplateEntry.model_validate(row) for row in rows])


async def read_template(
    serving: Services, caller: Caller, clinic: str, template: str, version: int | None
) -> TemplateVersion:
    """One version of a template, the newest unless another one is asked for.

    Raises:
        NotThere: no such clinic, template or version, or not the caller's.
    """
    # A text with a NUL names nothing that PostgreSQL could hold.
    name = "" if fault_of_text(template) else template
    async with serving.gateway.open(caller, Access(Action.TEMPLATE_READ, Resource(clinic))) as grant:
        row = await repository.one(grant, name, version)
        if row is None:
            raise NotThere("no such template")
    return TemplateVersion.model_validate(row)


async def save_template(
    serving: Services, caller: Caller, clinic: str, template: str, asked: Template | None
) -> SavedVersion:
    """Save the next version of a template; forms that were assigned keep theirs.

    Raises:
        NotThere: no such clinic, or not the caller's to manage.
        InvalidInput: no name of a template, or no template.
        Refused: somebody else saved a version just now.
    """
    async with serving.gateway.work(caller, Access(Action.TEMPLATE_SAVE, Resource(clinic))) as work:
        if not NAME.fullmatch(template):
            raise InvalidInput("no name of a template", place="path.template", rule="no_name")
        if asked is None:
            raise InvalidInput("no template", place="body", rule="missing")
        await work.record()
        version = await repository.save(work, template, asked)
    return SavedVersion(template=template, version=version)
