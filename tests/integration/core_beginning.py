"""Where a chain begins: the world of `access_world.py` with some more people, and the model of it."""

from datetime import date

import access_world
from access_world import CHICK, FINCH, HERON, PASSWORD, PHONE, WREN, World
from core_model import CLINICS, Case, Guardianship, Model, Person, Plan, Registration, Signed, Visit

from api import accounts
from api.identity.booking_pages import open_page
from infra.database import connect_admin
from policies.words import Role
from tests.utc import today

TEAL, ROBIN, GULL = "Canary Teal", "Canary Robin", "Canary Gull"
LOGINS = {FINCH: "finch", WREN: "wren", HERON: "heron", TEAL: "teal", ROBIN: "robin"}
AUNT = access_world.CONTACTS["emergency_contacts"]
FORMS = ["pain", "profile_sharing_consent"]


def furnish(world: World) -> None:
    """Teal, who is nearly of age and Finch's dependent, Robin, who is no patient, and two specialists a clinic.

    Wren is Chick's other guardian, and Gull may be Chick: staff of north is to say.
    """
    accounts.add_user(world.server, "staff.south", "staff.south", Role.CLINIC_STAFF, "south", PASSWORD)
    with connect_admin(world.server) as admin:
        for name, born in ((TEAL, date(today().year - 17, 1, 1)), (ROBIN, date(1970, 1, 1))):
            world.people[name] = access_world._person(admin, name, born.isoformat())
        world.people[GULL] = access_world._person(admin, GULL)
        admin.execute("update operational.profile set birth_date = null where person_id = %s", [world.people[GULL]])
        for name in (TEAL, CHICK, GULL):
            found = access_world._register(admin, world.clinic_ids["north"], world.people[name])
            world.patients["north", name] = found
        admin.execute(
            "insert into operational.merge_case (clinic_id, kept_patient_id, other_patient_id) values (%s, %s, %s)",
            [world.clinic_ids["north"], world.patients["north", CHICK], world.patients["north", GULL]],
        )
    for name in (TEAL, ROBIN):
        access_world._own_account(world, LOGINS[name], name, [Role.PATIENT])
    for guardian, dependent in ((FINCH, TEAL), (WREN, CHICK)):
        world.change(
            "insert into operational.guardianship (guardian_id, dependent_id, relationship, starts_on)"
            " values (%s, %s, 'parent', '2020-02-01')", world.people[guardian], world.people[dependent],
        )  # fmt: skip
    world.change(
        "insert into operational.principal_role (principal_id, role)"
        " select principal_id, 'guardian' from operational.principal where login = 'wren'"
    )
    for clinic in CLINICS:
        offered = [f"Dr. {clinic.title()}", f"Dr. {clinic.title()} Junior"], FORMS, world.clinic_ids[clinic]
        world.change("update operational.service set specialists = %s, templates = %s where clinic_id = %s", *offered)
        world.change("update operational.booking_setting set templates = %s where clinic_id = %s", *offered[1:])
        open_page(world.server, clinic)


def model_of(world: World) -> Model:
    """All of the world that the model knows of."""
    model = Model()
    _people(world, model)
    for (clinic, name), patient in world.patients.items():
        model.registrations[str(patient)] = Registration(clinic, str(patient), name)
    model.countries = dict(world.look("select slug, country from operational.clinic"))
    for found, guardian, dependent, age in world.look(
        "select guardianship_id::text, g.name, d.name, majority_age from operational.guardianship as s"
        " inner join operational.person as g on g.person_id = s.guardian_id"
        " inner join operational.person as d on d.person_id = s.dependent_id order by s.starts_on"
    ):
        model.guardianships[found] = Guardianship(found, guardian, dependent, before_today=True, age=age)
    for clinic, purpose, version, required in world.look(
        "select k.slug, t.purpose, t.text_version, t.required_from is not null from operational.consent_text as t"
        " inner join operational.clinic as k using (clinic_id) order by t.created_at, t.text_version"
    ):
        model.texts.setdefault((clinic, purpose), []).append((version, required))
    model.signed |= {(FINCH, "north", "profile_sharing"): Signed(), (FINCH, "south", "communications"): Signed()}
    for case, kept, other in world.look(
        "select case_id::text, kept_patient_id::text, other_patient_id::text from operational.merge_case"
        " where case_id <> all(%s)", list(world.cases.values()),
    ):  # fmt: skip
        model.cases[case] = Case("north", kept, other)
    for visit, clinic, patient, specialist, status, slot in world.look(
        "select appointment_id::text, k.slug, patient_id::text, specialist, status, starts_at::text"
        " from operational.appointment inner join operational.clinic as k using (clinic_id)"
    ):
        model.visits[visit] = Visit(visit, clinic, patient, specialist, status, slot, past=slot is None)
    for plan, clinic, patient, by, done in world.look(
        "select plan_id::text, k.slug, p.patient_id::text, prescribed_by, sum(done)::integer"
        " from operational.treatment_plan as p inner join operational.adherence as a using (clinic_id, plan_id)"
        " inner join operational.clinic as k using (clinic_id) group by 1, 2, 3, 4"
    ):
        model.plans[plan] = Plan(plan, clinic, patient, by, done)
    return model


def _people(world: World, model: Model) -> None:
    for name, person in world.people.items():
        ((born, roles),) = world.look(
            "select q.birth_date, array(select r.role from operational.principal_role as r"
            " inner join operational.principal as p using (principal_id) where p.person_id = q.person_id)"
            " from operational.profile as q where q.person_id = %s", person,
        )  # fmt: skip
        phone, entries = (PHONE, [(AUNT, None)]) if name in (FINCH, WREN, HERON, CHICK) else (None, [])
        model.people[name] = Person(name, LOGINS.get(name), born, phone, [*entries], set(roles))
