"""Templates in the database: read by who works at the clinic, saved as one more version."""

from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

from api.gateway import Grant, Work
from infra.errors import Refused
from policies.forms.template import Template

_COLUMNS = sql.SQL("""
t.template, t.template_version as version, t.title, t.kind, t.purpose, t.due_days, t.expire_days, t.confidential,
t.questions, t.scores""")
_NEWEST = sql.SQL("""
select distinct on (t.template) {columns}
from operational.form_template as t
where t.clinic_id = %(event__clinic_id)s
order by t.template, t.template_version desc""").format(columns=_COLUMNS)
_ONE = sql.SQL("""
select {columns}
from operational.form_template as t
where
    t.clinic_id = %(event__clinic_id)s and t.template = %(template)s
    and (%(version)s::integer is null or t.template_version = %(version)s)
order by t.template_version desc limit 1""").format(columns=_COLUMNS)
_SAVE = sql.SQL("""
insert into operational.form_template
    (clinic_id, template, template_version, title, kind, purpose, due_days, expire_days, confidential, questions,
    scores, saved_by)
select
    operational.context_clinic(), %(template)s, coalesce(max(t.template_version), 0) + 1, %(title)s, %(kind)s,
    %(purpose)s, %(due_days)s, %(expire_days)s, %(confidential)s, %(questions)s, %(scores)s, %(saved_by)s
from operational.form_template as t
where t.clinic_id = operational.context_clinic() and t.template = %(template)s
returning template_version""")


async def newest(grant: Grant) -> list[dict[str, Any]]:
    """The newest version of each template of the clinic, by name."""
    return await grant.read(_NEWEST, sql.SQL("template"))


async def one(grant: Grant, template: str, version: int | None) -> dict[str, Any] | None:
    """A version of a template, the newest without one; None if there is no such thing."""
    rows = await grant.read(_ONE, sql.SQL("version"), template=template, version=version)
    return rows[0] if rows else None


async def save(work: Work, name: str, template: Template) -> int:
    """Save a template's next version, and return its number.

    Raises:
        Refused: somebody else saved that version just now.
    """
    stored = template.model_dump(mode="json", exclude_unset=True)
    values = {
        **template.model_dump(mode="json"),
        "template": name,
        "questions": Jsonb(stored["questions"]),
        "scores": Jsonb(stored.get("scores", [])),
        "saved_by": work.caller.principal.principal_id,
    }
    conflict = Refused("another version was saved just now", place="template", rule="changed")
    rows = await work.run(_SAVE, conflict=conflict, **values)
    version: int = rows[0]["template_version"]
    return version
