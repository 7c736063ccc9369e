"""A stand-in for the assignment of forms."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from psycopg import sql

from api.gateway import Work

_ASSIGN = sql.SQL("""
insert into operational.form (clinic_id, patient_id, template, template_version, status, assigned_on, source, source_id)
select t.clinic_id, %(patient)s, t.template, max(t.template_version), 'pending', %(today)s, 'forms',
    concat_ws('/', %(patient)s, t.template, %(occasion)s::text)
from operational.form_template as t
where t.template = any(%(templates)s::text[]) and t.clinic_id = operational.context_clinic()
group by t.clinic_id, t.template
on conflict do nothing returning form_id""")


async def assign(work: Work, patient_id: UUID, templates: Sequence[str], *, occasion: str, today: date) -> list[UUID]:
    """Assign the newest version of each template, none twice for one occasion."""
    rows = await work.run(_ASSIGN, patient=patient_id, templates=list(templates), occasion=occasion, today=today)
    return [row["form_id"] for row in rows]
