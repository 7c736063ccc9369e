"""Where a chain begins: the world of `access_world.py` with some more people, and the model of it."""

from datetime import UTC, date, datetime

import access_world
from access_world import CHICK, FINCH, HERON, PASSWORD, PHONE, WREN, World
from core_model import CLINICS, Guardianship, Model, Person, Registration, Signed, Visit

from api import accounts
from infra.database import connect_admin
from policies.words import Role

TODAY = datetime.now(UTC).date()
TEAL, ROBIN = "Canary Teal", "Canary Robin"
LOGINS = {FINCH: "finch", WREN: "wren", HERON: "heron", TEAL: "teal", ROBIN: "robin"}
AUNT = access_world.CONTACTS["emergency_contacts"]
FORMS = ["pain", "profile_sharing_consent"]


def furnish(world: World) -> None:
    """Teal, who is nearly of age and Finch's dependent, Robin, who is no patient, and two specialists a clinic."""
    accounts.add_user(world.server, "staff.south", "staff.south", Role.CLINIC_STAFF, "south", PASSWORD)
    with connect_admin(world.server) as admin:
        for name, born in ((TEAL, date(TODAY.year - 17, 1, 1)), (ROBIN, date(1970, 1, 1))):
            world.people[name] = access_world._person(admin, name, born.isoformat())
        north = world.clinic_ids["north"]
        world.patients["north", TEAL] = access_world._register(admin, north, world.people[TEAL])
    for name in (TEAL, ROBIN):
        access_world._own_account(world, LOGINS[name], name, [Role.PATIENT])
    world.change(
        "insert into operational.guardianship (guardian_id, dependent_id, relationship, starts_on)"
        " values (%s, %s, 'parent', '2020-01-01')", world.people[FINCH], world.people[TEAL],
    )  # fmt: skip
    for clinic in CLINICS:
        offered = [f"Dr. {clinic.title()}", f"Dr. {clinic.title()} Junior"], FORMS, world.clinic_ids[clinic]
        world.change("update operational.service set specialists = %s, templates = %s where clinic_id = %s", *offered)
        world.change("update operational.booking_setting set templates = %s where clinic_id = %s", *offered[1:])


def model_of(world: World) -> Model:
    """All of the world that the model knows of."""
    model = Model()
    _people(world, model)
    for (clinic, name), patient in world.patients.items():
        model.registrations[str(patient)] = Registration(clinic, str(patient), name)
    for found, guardian, dependent in world.look(
        "select guardianship_id::text, g.name, d.name from operational.guardianship as s"
        " inner join operational.person as g on g.person_id = s.guardian_id"
        " inner join operational.person as d on d.person_id = s.dependent_id"
    ):
        model.guardianships[found] = Guardianship(found, guardian, dependent, before_today=True)
    for clinic, purpose, version, required in world.look(
        "select k.slug, t.purpose, t.text_version, t.required_from is not null from operational.consent_text as t"
        " inner join operational.clinic as k using (clinic_id) order by t.created_at, t.text_version"
    ):
        model.texts.setdefault((clinic, purpose), []).append((version, required))
    model.signed |= {(FINCH, "north", "profile_sharing"): Signed(), (FINCH, "south", "communications"): Signed()}
    for visit, clinic, patient, specialist, status, slot in world.look(
        "select appointment_id::text, k.slug, patient_id::text, specialist, status, starts_at::text"
        " from operational.appointment inner join operational.clinic as k using (clinic_id)"
    ):
        model.visits[visit] = Visit(visit, clinic, patient, specialist, status, slot, past=slot is None)
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
