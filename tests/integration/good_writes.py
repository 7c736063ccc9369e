"""A good write of each kind, over the API and the pages, by whoever may: what tests of refusals ask for."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from access_world import FINCH, NEWS
from booking import ask, at, someone
from browsing import Browsers
from legal import COURT

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
        Write("finch", "POST", "/clinics/north/bookings", ask(starts_at=at(14)), _key()),
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
        Write("staff.north", "POST", "/clinics/north/bookings", ask(patient=someone()), _key()),
        Write("staff.north", "POST", f"{of_finch}/forms", {"templates": ["pain"]}),
        Write("staff.north", "POST", f"{of_finch}/consents/request"),
        Write("specialist.north", "POST", f"{of_finch}/plans", new),
        *(Write(login, method, f"/clinics/north/{path}", body) for login, method, path, body in care),
    ]


def of_managers(family: Family) -> list[Write]:
    """What the manager of north does."""
    webhook, delivery = family.world.webhooks["north"], family.world.deliveries["north"]
    rule, url = {"rule": "age > 40"}, "https://hooks.example/cloister"
    everybody, hook = (
        {"If-Match": family.ask("manager.north", "GET", f"/clinics/north/{path}").headers["etag"]}
        for path in ("segments/everybody", f"webhooks/{webhook}")
    )
    hours = {"days_ahead": 90, "specialists": ["Dr. North"], "hours": {"mon": "08:00-12:00"}}
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
            ("DELETE", f"webhooks/{webhook}", None, hook),
        ]
    ]


def of_admins(family: Family) -> list[Write]:
    """What an admin does."""
    account, key = f"/accounts/{family.world.account}", family.world.keys["north.messages"].split("_")[1]
    role = {"role": "clinic_manager", "clinic": "north"}
    finch = f"/clinics/north/patients/{family.world.patients['north', FINCH]}"
    return [
        Write("admin", "PUT", "/clinics/north/settings/retention", {"consent_grace_days": 60}),
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


def of_pages(family: Family) -> list[Write]:
    """Forms of pages; each is sent with the token of a page that its visitor had open before."""
    appointment = family.world.appointments["north"]
    plan, consent = family.world.items["north", "plan"], "/me/consents/north/profile_sharing"
    pain = family.assign(FINCH, "pain")
    prescribed = {"do": "prescribe", "title": "P", "starts_on": str(today()), "ends_on": str(today() + days(6)),
                  "0.name": "Bridge", "0.times": "2"}  # fmt: skip
    finch = family.world.patients["north", FINCH]
    return [
        Write(login, "POST", path, values)
        for login, path, values in [
            ("finch", f"/me/forms/{pain}", {"do": "complete", "answer.score": "7"}),
            ("finch", f"/me/plans/{plan}/confidential", {"hidden": "true"}),
            ("finch", f"/me/appointments/{appointment}/cancel", {"clinic": "north"}),
            ("finch", "/me/account", {"email": "finch.new@example.org"}),
            ("finch", f"{family.of_chick}/family/invitations", {}),
            ("finch", "/me/family/dependents", {"name": "New", "birth_date": "2020-02-29", "relationship": "parent"}),
            ("finch", f"{consent}/revoke", {}),
            ("specialist.north", f"/agenda/north/patients/{finch}/plans", prescribed),
            ("specialist.north", f"/agenda/north/{appointment}/confidential", {"hidden": "true"}),
        ]
    ]


def asked(family: Family, writes: list[Write]) -> dict[tuple[str, str], int]:
    """The status of each, in this order."""
    return {
        (write.method, write.path): family.api.request(
            write.method, f"/v1{write.path}", headers={**family.headers[write.login], **write.more}, json=write.body
        ).status_code
        for write in writes
    }


def sent(browsers: Browsers, writes: list[Write], shown: dict[str, str], status: int) -> None:
    """Send each from a page of its visitor, and hold the answer to a status."""
    for write in writes:
        browsers.send(write.login, write.path, shown[write.login], status, **write.body)


def _key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid4())}
