"""Forms that patients are to answer: assigned once for an occasion, and once to a patient where one is enough."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from psycopg import sql

from api.gateway import Work

# The newest version alone says what a template is.
_ASSIGN = sql.SQL("""
insert into operational.form
    (clinic_id, patient_id, template, template_version, status, assigned_on, due_on, expires_on, confidential, occasion)
select distinct on (t.template)
    t.clinic_id, %(patient)s, t.template, t.template_version, 'pending', %(today)s::date, %(today)s::date + t.due_days,
    %(today)s::date + t.due_days + t.expire_days, h.confidential, n.occasion
from unnest(%(templates)s::text[], %(occasions)s::text[]) with ordinality as n (template, occasion, place)
cross join lateral (
    select v.* from operational.form_template as v
    where v.clinic_id = operational.context_clinic() and v.template = n.template
    order by v.template_version desc limit 1
) as t
cross join lateral (
    select t.confidential or exists (
        select from operational.appointment as a
        where a.clinic_id = t.clinic_id and a.patient_id = %(patient)s and a.appointment_id::text = n.occasion
            and a.confidential
    ) as confidential
) as h
where {wanted}
order by t.template, n.place
on conflict (clinic_id, patient_id, template, occasion) where occasion is not null and deleted_at is null do nothing
returning form_id""")
# An intake or a consent is the patient's, not one visit's. A hidden one is as none to a guardian who books.
_WANTED = sql.SQL("""
not exists (
    select from operational.form as f
    where
        f.clinic_id = t.clinic_id and f.patient_id = %(patient)s and f.template = t.template and f.deleted_at is null
        and (
            f.occasion = n.occasion
            or t.kind in ('intake', 'consent') and f.status in ('pending', 'in_progress')
                and coalesce(f.expires_on >= %(today)s::date, true) and (h.confidential or not f.confidential)
        )
)
and not exists (
    select from operational.registration as r
    inner join operational.consent as c
        on c.clinic_id = r.clinic_id and c.purpose = t.purpose and c.person_id = r.person_id
    where
        r.clinic_id = t.clinic_id and r.patient_id = %(patient)s and c.state = 'signed'
        and c.occurred_at <= statement_timestamp() and coalesce(c.expires_at > statement_timestamp(), true)
)""")
_BY_HAND = _ASSIGN.format(wanted=sql.SQL("true"))
_BOOKED = _ASSIGN.format(wanted=_WANTED)


async def assign(work: Work, patient_id: UUID, templates: Sequence[str], *, occasion: str, today: date) -> list[UUID]:
    """Assign the newest versions of these templates of the work's clinic, none twice for one occasion; ids of the new.

    `occasion` is whatever must not bring a form twice. A name that is none of the clinic's templates brings nothing.
    `today` is the day at the clinic.
    """
    rows = await work.run(_BY_HAND, **_assigned(patient_id, {occasion: templates}, today))
    return [row["form_id"] for row in rows]


def assign_later(work: Work, patient_id: UUID, occasions: Mapping[str, Sequence[str]], *, today: date) -> None:
    """Assign what a booking brings, with the next statement of the work that is read: each template once.

    An occasion is `registration` or the id of an appointment, whose forms are hidden if it is; of two that bring the
    same template it is the first one's. An intake or consent form comes only if the patient has none to answer, and no
    consent form while its consent stands.
    """
    work.later(_BOOKED, **_assigned(patient_id, occasions, today))


def _assigned(patient_id: UUID, occasions: Mapping[str, Sequence[str]], today: date) -> dict[str, Any]:
    pairs = [(template, occasion) for occasion, templates in occasions.items() for template in templates]
    return {
        "patient": patient_id, "today": today, "templates": [template for template, _ in pairs],
        "occasions": [occasion for _, occasion in pairs],
    }  # fmt: skip
