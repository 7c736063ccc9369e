"""A good write of each kind over the API, by whoever may: what tests of refusals ask for."""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from uuid import uuid4

import httpx
from access_world import ALWAYS, CHICK, FINCH, NEWS
from booking import ask, at, someone
from exporting import export
from furnishing import seen_today
from legal import COURT, SEEN
from test_impersonation_refusals import CONSENT
from things import Things

from tests.integration.records import Family, days, today


@dataclass(frozen=True)
class Write:
    """Who asks for what, with a good body."""

    login: str
    method: str
    path: str
    body: Any = None
    more: dict[str, str] = field(default_factory=dict)


def of_people(family: Family) -> list[Write]:
    """What Finch does, who is a patient and Chick's guardian, beside what `asked_for` has."""
    one, plan, exercise = (family.world.items["north", kind] for kind in ("form", "plan", "exercise"))
    pain = family.assign(FINCH, "pain")
    return [
        Write("finch", "PUT", f"/me/forms/{pain}/answers", {"answers": {"score": 2}}),
        Write("finch", "POST", f"/me/plans/{plan}/confidential", {"confidential": True}),
        Write("finch", "POST", f"/me/forms/{one}/confidential", {"confidential": True}),
        Write("finch", "PUT", f"/me/plans/{plan}/exercises/{exercise}/days/{today()}", {"times": 1}),
        Write("finch", "POST", f"/me/appointments/{family.world.appointments['north']}/reschedule",
              {"starts_at": at(12)}),
        Write("finch", "POST", "/clinics/north/bookings", ask(starts_at=at(14)), keyed()),
        Write("finch", "PATCH", f"{family.of_chick}/profile", {"blood_type": "A+"},
              {"If-Match": family.ask("finch", "GET", f"{family.of_chick}/profile").headers["etag"]}),
    ]  # fmt: skip


def of_care(family: Family) -> list[Write]:
    """What staff and the specialist of north do."""
    finch, plan = family.world.patients["north", FINCH], family.world.items["north", "plan"]
    appointment, of_finch = family.world.appointments["north"], f"/clinics/north/patients/{finch}"
    new = {"title": "Canary plan", "starts_on": str(today()), "ends_on": str(today() + days(5)),
           "exercises": [{"name": "Canary bridge"}]}  # fmt: skip
    walk = {"exercises": [{"name": "Canary walk"}], "ends_on": str(today() + days(5))}
    care = [
        ("staff.north", "POST", f"appointments/{appointment}/reminders", None),
        ("staff.north", "POST", f"appointments/{appointment}/reschedule", {"starts_at": at(11)}),
        ("specialist.north", "POST", f"appointments/{appointment}/confidential", {"confidential": True}),
        ("staff.north", "POST", f"appointments/{appointment}/cancel", {}),
        ("staff.north", "POST", f"deletions/appointment/{appointment}", {"reason": "mistake"}),
        ("admin", "POST", f"deletions/appointment/{appointment}/undo", None),
        ("staff.north", "POST", f"merges/{family.world.cases['north']}", {"decision": "distinct"}),
        ("specialist.north", "POST", f"plans/{plan}/confidential", {"confidential": False}),
        ("specialist.north", "PUT", f"plans/{plan}/exercises", walk),
        ("specialist.north", "POST", f"plans/{plan}/end", None),
    ]
    return [
        Write("staff.north", "POST", "/clinics/north/bookings", ask(patient=someone()), keyed()),
        Write("staff.north", "POST", f"{of_finch}/forms", {"templates": ["pain"]}),
        Write("staff.north", "POST", f"{of_finch}/consents/request"),
        Write("staff.north", "POST", f"{on_their_own(family)}/verifications", {"email": "grown@example.org"}),
        Write("specialist.north", "POST", f"{of_finch}/plans", new),
        *(Write(login, method, f"/clinics/north/{path}", body) for login, method, path, body in care),
    ]


def on_their_own(family: Family) -> str:
    """Where north has a patient of age who has no account and no guardian."""
    person = family.world.newcomer("north")
    born = "insert into operational.profile (person_id, birth_date) values (%s, '1990-01-01')"
    family.world.change(f"{born} on conflict (person_id) do update set birth_date = excluded.birth_date", person)
    find = "select patient_id from operational.registration where person_id = %s"
    return f"/clinics/north/patients/{family.world.look(find, person)[0][0]}"


def of_managers(family: Family) -> list[Write]:
    """What the manager of north does."""
    webhook, delivery = family.world.webhooks["north"], family.world.deliveries["north"]
    rule, url = {"rule": "age > 40"}, "https://hooks.example/cloister"
    other = Things(family.world, "webhooks/{webhook}").address
    everybody, hook, ended = (
        {"If-Match": family.ask("manager.north", "GET", f"/clinics/north/{path}").headers["etag"]}
        for path in ("segments/everybody", f"webhooks/{webhook}", other)
    )
    hours = {"days_ahead": 90, "specialists": ["Dr. North"], "hours": ALWAYS}
    text = {"purpose": "communications", "text_version": "v2", "body": "The text v2."}
    template = {"title": "Knees", "questions": [{"id": "q", "type": "text", "text": "Q"}]}
    return [
        Write("manager.north", method, f"/clinics/north/{path}", body, more)
        for method, path, body, more in [
            ("POST", "segments", {"slug": "fresh", "name": "Fresh", **rule}, {}),
            ("POST", "segments/preview", rule, {}),
            ("POST", "segments/everybody/diff", rule, {}),
            ("POST", "segments/templates/over-65-low-adherence", {}, {}),
            ("PATCH", "segments/everybody", {"name": "All"}, everybody),
            ("POST", "segments/everybody/messages/preview", NEWS, {}),
            ("POST", f"segments/everybody/messages/{family.world.campaigns['north']}/stop", None, {}),
            ("POST", "segments/empty/archive", {"reason": "mistake"}, {}),
            ("POST", "segments/empty/revive", {}, {}),
            ("PUT", "settings/bookings", hours, {}),
            ("PUT", "settings/services/back_school", {"name": "Back school", "minutes": 45}, {}),
            ("POST", "consent-texts", text, {}),
            ("POST", "templates/knees/versions", template, {}),
            ("POST", "webhooks", {"url": url}, {}),
            ("POST", f"webhooks/{webhook}/deliveries/{delivery}/redeliver", None, {}),
            ("PATCH", f"webhooks/{webhook}", {"kinds": ["left"]}, hook),
            ("POST", f"webhooks/{webhook}/enable", None, {}),
            ("POST", f"webhooks/{webhook}/test", None, {}),
            ("POST", f"webhooks/{webhook}/secret", None, {}),
            ("POST", f"webhooks/{webhook}/disable", None, {}),
            ("DELETE", other, None, ended),
        ]
    ]


def of_admins(family: Family) -> list[Write]:
    """What an admin does."""
    account, key = f"/accounts/{family.world.account}", family.world.keys["north.messages"].split("_")[1]
    role = {"role": "clinic_manager", "clinic": "north"}
    finch = f"/clinics/north/patients/{family.world.patients['north', FINCH]}"
    return [
        Write("admin", "PUT", "/clinics/north/settings/retention", {"consent_grace_days": 60}),
        Write("admin", "PUT", "/clinics/north/settings/location", {"time_zone": "Europe/Paris", "country": "FR"}),
        *(
            Write("admin", "POST", path, body)
            for path, body in [
                ("/accounts", {"login": "new.north", "name": "New", **role}),
                (f"{account}/roles/give", role),
                (f"{account}/roles/end", role),
                (f"{account}/codes/reset", None),
                (f"{account}/disable", None),
                (f"{account}/enable", None),
                ("/clinics/north/api-keys", {"login": "crm.north", "fields": ["name"], "days": 30}),
                (f"/clinics/north/api-keys/{key}/renew", {"days": 60}),
                (f"/clinics/north/api-keys/{key}/end", None),
                (f"{finch}/legal-guardians", COURT),
                ("/impersonations", {"subject": "wren", "reason": "patient_asked", "ticket": "HELP-7", "minutes": 30}),
            ]
        ),
    ]


def of_things(family: Family) -> list[Write]:
    """What is done to things that are there, each made for it."""
    world = family.world
    world.change("update operational.import_batch set kind = 'csv'")  # what waits of it can be tried again
    ended, until = {"reason": "no_longer"}, {"starts_at": at(16)}
    things: list[tuple[str, str, str, Any]] = [
        ("finch", "DELETE", "/me/dependents/{dependent}/guardians/{guardianship}", ended),
        ("finch", "DELETE", "/me/guardians/{guardianship}", ended),
        ("finch", "DELETE", "/me/invitations/{invitation}", None),
        ("finch", "DELETE", "/me/dependents/{dependent}/invitations/{invitation}", None),
        ("finch", "POST", "/me/legal-guardians/{legal_guardian}/contest", None),
        ("finch", "POST", "/me/appointments/{appointment}/cancel", {}),
        ("finch", "POST", "/me/appointments/{appointment}/confidential", None),
        ("finch", "POST", "/me/dependents/{dependent}/appointments/{appointment}/cancel", {}),
        ("admin", "POST", "/dependents/{dependent}/undo", None),
        ("admin", "POST", "/impersonations/{impersonation}/end", None),
        ("specialist.north", "POST", "/clinics/{clinic}/forms/{form}/confidential", None),
        ("finch", "POST", "/me/dependents/{dependent}/appointments/{appointment}/reschedule", until),
        ("finch", "PUT", "/me/dependents/{dependent}/plans/{plan}/exercises/{exercise}/days/{today}", {"times": 1}),
        ("admin", "POST", "/clinics/{clinic}/quarantine/{entry}/retry", None),
        ("manager.north", "POST", "/clinics/{clinic}/legal-guardians/{legal_guardian}/confirm", SEEN),
        ("manager.north", "POST", "/clinics/{clinic}/legal-guardians/{legal_guardian}/end", ended),
    ]
    code = family.done("finch", "POST", "/me/invitations")["code"]
    saved, whole = (f"{family.of_chick}/forms/{family.assign(CHICK, 'pain')}" for _ in range(2))
    come, missed = seen_today(world), seen_today(world)
    corrected = {"status": "noshow", "reason": "entered_wrongly"}
    steps = [("arrive", come, {}), ("complete", come, {}), ("correct", come, corrected), ("no-show", missed, {})]
    return [
        *(Write(login, method, Things(world, path).address, body) for login, method, path, body in things),
        *(Write("staff.north", "POST", f"/clinics/north/appointments/{one}/{step}", said) for step, one, said in steps),
        *_handed_over(family),
        Write("wren", "POST", "/me/guardianships", {"code": code, "relationship": "partner"}),
        Write("finch", "POST", f"{family.of_chick}/consents/revoke", CONSENT),
        Write("finch", "POST", f"{family.of_chick}/exports", {"clinic": "north"}),
        Write("finch", "PUT", f"{saved}/answers", {"answers": {"score": 2}}),
        Write("finch", "POST", f"{whole}/complete", {"answers": {"score": 2}}),
        Write("manager.north", "POST", "/clinics/north/segments/everybody/messages", NEWS, keyed()),
    ]


def carried(family: Family) -> dict[str, tuple[bytes, str]]:
    """What was made at south of Finch and of Chick, to be brought to north, and by what a preview names it."""
    if ("south", CHICK) not in family.world.patients:
        family.world.register_chick("south")
    whose = {FINCH: None, CHICK: family.world.guardianship}
    made = {name: export(family.api, "finch", "south", of) for name, of in whose.items()}
    return {name: (one.archive, sha256(one.files["manifest.json"]).hexdigest()) for name, one in made.items()}


def _handed_over(family: Family) -> list[Write]:
    made, desk = carried(family), f"/clinics/north/patients/{family.world.patients['north', FINCH]}/handovers"
    found = []
    for login, path, name in (("finch", "/me", FINCH), ("finch", family.of_chick, CHICK), ("staff.north", desk, FINCH)):
        archive, digest = made[name]
        to, where = (f"{path}/handovers", "clinic=north&") if login == "finch" else (path, "")
        for asked_for in (f"{to}/preview?{where}", f"{to}?{where}digest={digest}"):
            found.append(Write(login, "POST", asked_for, archive, {"content-type": "application/zip"}))
    return found


def asked(family: Family, writes: list[Write]) -> list[tuple[str, str, int]]:
    """Each with its status, in this order."""
    return [(write.method, write.path, ask_for(family, write).status_code) for write in writes]


def ask_for(family: Family, write: Write) -> httpx.Response:
    body = {"content": write.body} if isinstance(write.body, bytes) else {"json": write.body}
    headers = {**family.headers[write.login], **write.more}
    return family.api.request(write.method, f"/v1{write.path}", headers=headers, **body)


def keyed() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid4())}
