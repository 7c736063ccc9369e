"""A clinic with a few hundred patients who were made up, for pictures: names of syllables, marts filled by hand."""

import json

import numpy as np
from access_world import World

from infra.database import connect_admin
from infra.sample.names import family_names, given_names
from policies.segments.rule import to_json
from policies.segments.text import read

PATIENTS = 340
RULES = {
    "over-65-low-adherence": (
        "Patients over 65 with low treatment adherence",
        "age > 65 and adherence.completion_rate(30d) < 0.5",
        "p.birth_date < date '1960-03-04' and e.rate < 0.5",
    ),
    "misses-visits": (
        "Misses every fourth visit or more",
        "appointments.noshow_rate(1y) >= 0.25",
        "v.missed >= 0.25",
    ),
    "privately-insured": (
        "Privately insured",
        'insurance_type = "private"',
        "p.insurance_type = 'private'",
    ),
}

_PATIENTS = """
insert into raw_patients
    (patient_id, version, name, registered_on, profile_shared, birth_date, sex, insurance_type)
select
    gen_random_uuid(), 1, name, '2024-01-01', shared,
    case when shared then date '1932-01-01' + (n * 97 %% 25000)::integer end,
    case when shared then case when n %% 9 < 5 then 'female' else 'male' end end,
    case when shared then (array['public', 'public', 'private', 'self_pay'])[1 + n %% 4] end
from (select n, name, n %% 7 <> 0 as shared from unnest(%s::text[]) with ordinality as u (name, n)) as made"""
_VISITS = """
insert into raw_appointments
    (patient_id, appointment_id, version, service, modality, status, booked_on, starts_on)
select
    p.patient_id, gen_random_uuid(), 1, 'physiotherapy', 'in_person',
    case when d < 0 then 'booked' when (h + d) % 8 = 0 then 'noshow' when (h + d) % 11 = 0 then 'cancelled'
    else 'fulfilled' end, '2026-01-01', date '2026-03-04' - d
from (select patient_id, abs(hashtext(patient_id::text)) % 1000 as h from raw_patients) as p
cross join unnest(array[-9, 3, 11, 40, 80]) as d
where (h + d) % 3 <> 0"""
_EXERCISES = """
insert into raw_adherence (patient_id, plan_id, day, version, prescribed, done)
select patient_id, patient_id, date '2026-03-04' - d, 1, 4, least(4, (abs(hashtext(patient_id::text)) % 9 + d % 2) / 2)
from raw_patients cross join generate_series(0, 27, 3) as d"""
_MEMBERS = """
insert into segment_member (segment_id, patient_id, entered_at, entered_run, version, entered_by, fires_in)
select
    %s, p.patient_id, now() - abs(hashtext(p.patient_id::text)) %% 70 * interval '20 hours', 1, 1,
    (array['data', 'time', 'rule'])[1 + abs(hashtext(p.patient_id::text)) %% 3], false
from raw_patients as p
left join (
    select patient_id, sum(done)::float / sum(prescribed) as rate from raw_adherence group by patient_id
) as e on e.patient_id = p.patient_id
left join (
    select patient_id, avg((status = 'noshow')::int) as missed from raw_appointments
    where starts_on < '2026-03-04' and status <> 'cancelled' group by patient_id
) as v on v.patient_id = p.patient_id
where {}"""


def fill(world: World) -> None:
    """Give north its crowd, and three segments in the place of the test's own."""
    rng = np.random.default_rng(7)
    names = given_names(rng, PATIENTS) + " " + family_names(rng, PATIENTS)
    with connect_admin(world.server) as admin:
        admin.execute("update operational.clinic set name = 'Praxis Marrenfeld' where slug = 'north'")
        admin.execute("set search_path = clinic_north")
        admin.execute("update segment set archived_at = now()")
        admin.execute("delete from raw_patients")
        admin.execute(_PATIENTS, [names.to_list()])
        admin.execute(_VISITS)
        admin.execute(_EXERCISES)
        for slug, (name, rule, members) in RULES.items():
            row = admin.execute(
                "insert into segment (segment_id, slug, name, profile_dependent, created_at)"
                " values (gen_random_uuid(), %s, %s, true, '2026-01-01') returning segment_id", [slug, name],
            ).fetchone()  # fmt: skip
            assert row
            admin.execute(
                "insert into segment_version (segment_id, version, rule, profile_dependent, created_at)"
                " values (%s, 1, %s, true, '2026-01-01')", [row[0], json.dumps(to_json(read(rule)))],
            )  # fmt: skip
            admin.execute(_MEMBERS.format(members), [row[0]])  # type: ignore[arg-type]
        # Nothing waits in a clinic that stands like this.
        admin.execute("delete from operational.outbox")
