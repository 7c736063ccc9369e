"""A world furnished for walks over every page: something real lies under each address, and Chick has records to hide.

What of Chick's can be hidden from guardians has `HUSH` in every text of its.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from uuid import UUID

import access_world
from access_world import CHICK, FINCH, WREN, Api, World
from families import invitation, join
from legal import propose
from posting import give_email, queue, send
from provisional import book

from api.messages.port import Message, MessageKind
from infra.database import connect_admin
from tests.integration.impersonating import act_as
from tests.integration.records import Family, add_chick, days, today
from tests.integration.sealing import add_batch, seal_all

HUSH = "Hushed"
MARKUP = "<script>alert(1)</script> & co"
SHOWN = "&lt;script&gt;alert(1)&lt;/script&gt; &amp; co"
OF_CHICK = "/me/dependents/{dependent}"


@dataclass
class House:
    """A furnished world, and what of Chick's can be hidden: by its kind."""

    family: Family
    hideable: dict[str, str]

    @property
    def world(self) -> World:
        return self.family.world

    @property
    def api(self) -> Api:
        return self.family.api


def furnish(world: World, api: Api) -> House:
    """Put something under every page's address."""
    add_chick(world)
    house = House(Family(world, api, {}), {})
    world.consent("north", CHICK, signer_id=world.people[FINCH])
    _join_wren(house)
    _hideable(house)
    _carried_by_chick(world)
    seen_today(world)
    assert propose(api, world).status_code == 201
    world.impersonation = act_as(api, "finch")[0]
    _things(house)
    return house


def _things(house: House) -> None:
    """Ids by the beginning of a path: the narrower ones first."""
    world, patients = house.world, house.world.patients
    with ThreadPoolExecutor(1) as beside:  # a browser's test has a loop running in this thread
        message = beside.submit(_mail, world).result()
    verification = book(world, "north").verification
    moved = add_batch(world.server, world.clinic_ids["north"], "appointments", [patients["north", FINCH]])
    ((batch,),) = world.look("select batch_id from audit.access_event where event_id = %s", moved)
    of_finch, of_chick = (
        read_by_specialist(house, f"patients/{patients['north', name]}/profile") for name in (FINCH, CHICK)
    )
    seal_all(world.server)
    kinds = house.hideable
    chicks = {"form": kinds["forms"], "plan": kinds["plans"], "appointment": kinds["appointments"]}
    world.things = {
        f"{OF_CHICK}/receipts": {"dependent": world.guardianship, "event": _signed(world, CHICK)},
        OF_CHICK: {**chicks, "dependent": world.guardianship, "event": of_chick, "purpose": "profile_sharing"},
        "/me/receipts": {"event": _signed(world, FINCH)},
        "/me": {"event": of_finch, "purpose": "profile_sharing"},
        "/audit/batches": {"batch": batch},
        "/audit": {"event": of_finch},
        "/clinics/{clinic}/segments/{segment}/undecided": {"segment": "elders"},
        "/mailbox": {"message": message},
        "/verify": {"verification": verification},
    }


def _join_wren(house: House) -> None:
    """Another guardian, whose contacts nobody else is to see."""
    code = invitation(house.api, "finch", house.family.of_chick.removeprefix("/"))
    assert join(house.api, "wren", code).status_code == 201
    give_email(house.world, WREN, f"{HUSH}@example.org")


def _hideable(house: House) -> None:
    """A form with answers, a plan, an appointment by video: of Chick's, and open to guardians so far."""
    family, patient = house.family, house.world.patients["north", CHICK]
    template = {"title": f"{HUSH} form", "questions": [{"id": "q", "type": "text", "text": f"{HUSH} question"}]}
    family.done("manager.north", "POST", "/clinics/north/templates/hush/versions", template)
    form = family.assign(CHICK, "hush")
    family.done("chick", "POST", f"/me/forms/{form}/complete", {"answers": {"q": f"{HUSH} answer"}})
    plan = {"title": f"{HUSH} plan", "starts_on": str(today()), "ends_on": str(today() + days(5)),
            "exercises": [{"name": f"{HUSH} bridge"}]}  # fmt: skip
    made = family.done("specialist.north", "POST", f"/clinics/north/patients/{patient}/plans", plan)
    ((appointment,),) = house.world.look(
        "insert into operational.appointment (clinic_id, patient_id, service, modality, specialist, status, booked_on,"
        " starts_on, starts_at, ends_at) values (%s, %s, %s, 'video', %s, 'booked', %s, %s, now() + interval '1 hour',"
        " now() + interval '2 hours') returning appointment_id",
        house.world.clinic_ids["north"], patient, f"{HUSH} service", f"Dr. {HUSH}", today(), today(),
    )  # fmt: skip
    house.hideable |= {"forms": form, "plans": made["id"], "appointments": str(appointment)}


def _carried_by_chick(world: World) -> None:
    """What Chick brought of a clinic elsewhere, which no guardian is told of."""
    finchs = world.items["north", "handover"]
    brought = {**access_world._brought(world, "north"), "origin": f"{HUSH} clinic"}
    world.items["north", "handover"] = finchs
    patient = {"clinic_id": world.clinic_ids["north"], "patient_id": world.patients["north", CHICK]}
    with connect_admin(world.server) as admin:
        row = {**patient, **brought, "made_at": "2026-01-01", "brought_by": world.people[CHICK]}
        access_world.insert(admin, "brought_record", row)


def seen_today(world: World) -> str:
    """An appointment of Finch's that is on the specialist's list of today, and has begun; its id."""
    ((made,),) = world.look(
        "insert into operational.appointment (clinic_id, patient_id, service, modality, specialist, status, booked_on,"
        " starts_on, starts_at) values (%s, %s, 'visit', 'in_person', 'Dr. North', 'booked', %s, %s, now())"
        " returning appointment_id",
        world.clinic_ids["north"], world.patients["north", FINCH], today(), today(),
    )  # fmt: skip
    return str(made)


def _mail(world: World) -> UUID:
    """A mail with a calendar that lies in the demo's mailbox."""
    give_email(world, FINCH, "finch@example.org")
    note = Message(MessageKind.CODE, world.people[FINCH], link="verify/1", code="424242", calendar="BEGIN:VCALENDAR")
    found = queue(world, note)
    send(world, None)
    return found


def read_by_specialist(house: House, what: str) -> UUID:
    """The event of a specialist's reading of something at north."""
    answer = house.family.ask("specialist.north", "GET", f"/clinics/north/{what}")
    query = "select event_id from audit.access_event where request_id = %s"
    ((event,),) = house.world.look(query, answer.headers["x-request-id"])
    return UUID(str(event))


def _signed(world: World, name: str) -> UUID:
    """The event by which the profile is shared with north."""
    query = "select event_id from operational.consent_event where person_id = %s and purpose = 'profile_sharing'"
    return UUID(str(world.look(query + " and clinic_id = %s", world.people[name], world.clinic_ids["north"])[0][0]))


# What people write, in the columns where it lies; logins of accounts whom no walk signs in as.
_WRITTEN = (
    "update operational.person set name = name || %s",
    "update clinic_north.raw_patients set name = name || %s",
    "update clinic_north.segment set name = name || %s, description = name",
    "update operational.principal set display_name = display_name || %s",
    "update operational.principal set login = login || %s where login like '%%.south' or login like 'robot.%%'",
    "update operational.profile set insurance_payer = %s, allergies = array[insurance_type]",
    "update operational.guardianship set relationship = relationship || %s",
    "update operational.appointment set specialist = specialist || %s where specialist like 'Dr. Hushed'",
    "update operational.service set name = name || %s",
    "update operational.form_template set title = title || %s",
    "update operational.treatment_plan set title = title || %s",
    "update operational.exercise set name = name || %s, instructions = name",
    "update operational.consent_text set body = body || %s",
    "update operational.brought_record set origin = origin || %s",
    "update operational.quarantine set reason = reason || %s, file = reason",
)


def marked_up(world: World) -> None:
    """Put markup into what people wrote."""
    for statement in _WRITTEN:
        world.change(statement, f" {MARKUP}")
