"""A good form of each page that changes something, by whoever may send it; `good_writes` has the same of the API."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from access_world import CHICK, FINCH, NEWS, WREN, insert
from booking import at
from browsing import Browsers
from furnishing import seen_today
from good_writes import carried, on_their_own
from legal import COURT, SEEN
from things import Things

from infra.database import connect_admin
from tests.integration.records import Family, days, today
from tests.integration.sealing import seal_all

# Things are furnished by the path as the application has it.
CLINIC, NORTH, SEGMENTS = "/clinics/{clinic}", "/clinics/north", "/clinics/north/segments"
OF_DEPENDENT = "/me/dependents/{dependent}"
# A page that each visitor has open, with the token of all their forms.
OPEN = {
    **dict.fromkeys(("finch", "wren", "heron"), "/me/consents"), "staff.north": f"{NORTH}/appointments",
    "specialist.north": "/agenda", "manager.north": SEGMENTS, "admin": "/accounts",
}  # fmt: skip
# The text's own digest, as `access_world` keeps it.
SIGNED = {"text_version": "v1", "sha256": "00" * 32}
LOCAL = slice(16)
Shown = dict[tuple[str, str], str]


@dataclass(frozen=True)
class Form:
    """Who sends what to a page's address; the page that it stands on where it has more than a token."""

    login: str
    path: str
    values: dict[str, Any] = field(default_factory=dict)
    shown_at: str = ""
    file: bytes = b""

    @property
    def where(self) -> tuple[str, str]:
        """Who has which page open to send it from."""
        return self.login, self.shown_at or OPEN[self.login]


def of_pages(family: Family) -> list[Form]:
    """All of them, each about something of its own."""
    seal_all(family.world.server)
    return [*_of_people(family), *_of_guardians(family), *_of_care(family), *_of_staff(family), *_of_managers(family),
            *_of_segments(family), *_of_admins(family)]  # fmt: skip


def shown_before(browsers: Browsers, forms: list[Form]) -> Shown:
    """The pages that forms stand on, by login and path."""
    return {where: browsers.get(*where).text for where in {form.where for form in forms}}


def sent(browsers: Browsers, forms: list[Form], shown: Shown | None = None) -> list[tuple[str, int]]:
    """The path of each with its status; `shown` are pages as they were before, without which each is opened anew."""
    found = []
    for form in forms:
        page = browsers.get(*form.where).text if shown is None else shown[form.where]
        answer = browsers.answer(form.login, form.path, page, form.values, form.file)
        # A page may lead on and say that it was refused, or done before.
        led = answer.headers.get("location", "")
        found.append((form.path, 409 if "refused" in led or "asked=already" in led else answer.status_code))
    return found


def _about(family: Family, login: str, path: str, **values: Any) -> Form:
    """A form about fresh things, with what it has to say of them."""
    things = Things(family.world, path)
    return Form(login, things.address, {**things.said, **values})


def _of_people(family: Family) -> list[Form]:
    """What Finch does for themselves."""
    pain, plan = family.assign(FINCH, "pain"), family.world.items["north", "plan"]
    archive, digest = carried(family)[FINCH]
    code = family.done("finch", "POST", "/me/invitations")["code"]
    profile = {"name": FINCH, "birth_date": "1931-05-17", "blood_type": "B+"}
    signing = "/me/consents/north/profile_sharing"
    return [
        Form("finch", f"/me/forms/{pain}", {"do": "complete", "answer.score": "7"}, f"/me/forms/{pain}"),
        Form("finch", f"/me/forms/{pain}/confidential", {"hidden": "true"}),
        Form("finch", f"/me/plans/{plan}/confidential", {"hidden": "true"}),
        _about(family, "finch", "/me/plans/{plan}/exercises/{exercise}/days/{today}", times="1"),
        _about(family, "finch", "/me/appointments/{appointment}/confidential"),
        _about(family, "finch", "/me/appointments/{appointment}/cancel", clinic="north"),
        _about(family, "finch", "/me/appointments/{appointment}/move", clinic="north", starts_at=at(30)[LOCAL]),
        Form("finch", "/me/book/north", {"offer": "visit/Dr. North", "starts_at": at(32)[LOCAL], "key": str(uuid4())}),
        Form("finch", "/me/account", {"email": "finch.new@example.org"}),
        Form("finch", signing, SIGNED),
        Form("finch", f"{signing}/revoke"),
        Form("finch", "/me/profile/edit", profile, "/me/profile/edit"),
        Form("finch", "/me/data/north"),
        Form("finch", "/me/data/north/bring", {"digest": digest}, file=archive),
        Form("finch", "/me/family/dependents", {"name": "New", "birth_date": "2020-02-29", "relationship": "parent"}),
        Form("finch", "/me/family/invitations"),
        _about(family, "finch", "/me/family/invitations/{invitation}/take-back"),
        _about(family, "finch", "/me/family/guardians/{guardianship}/end"),
        _about(family, "finch", "/me/family/by-law/{legal_guardian}/contest"),
        Form("heron", "/me/family/join", {"code": code, "relationship": "partner"}),
    ]


def _of_guardians(family: Family) -> list[Form]:
    """What Finch does for Chick."""
    pain, (archive, digest) = f"{family.of_chick}/forms/{family.assign(CHICK, 'pain')}", carried(family)[CHICK]
    query = "select birth_date::text from operational.profile where person_id = %s"
    ((birth,),) = family.world.look(query, family.world.people[CHICK])
    booking = {"offer": "visit/Dr. North", "starts_at": at(34)[LOCAL], "key": str(uuid4())}
    signing, edit = f"{family.of_chick}/consents/north/profile_sharing", f"{family.of_chick}/profile/edit"
    appointment, plan = f"{OF_DEPENDENT}/appointments/{{appointment}}", f"{OF_DEPENDENT}/plans/{{plan}}"
    return [
        Form("finch", pain, {"do": "complete", "answer.score": "7"}, pain),
        _about(family, "finch", f"{plan}/exercises/{{exercise}}/days/{{today}}", times="1"),
        _about(family, "finch", f"{appointment}/cancel", clinic="north"),
        _about(family, "finch", f"{appointment}/move", clinic="north", starts_at=at(36)[LOCAL]),
        Form("finch", f"{family.of_chick}/book/north", booking),
        Form("finch", signing, SIGNED),
        Form("finch", f"{signing}/revoke"),
        Form("finch", edit, {"name": CHICK, "birth_date": birth, "blood_type": "B+"}, edit),
        Form("finch", f"{family.of_chick}/data/north"),
        Form("finch", f"{family.of_chick}/data/north/bring", {"digest": digest}, file=archive),
        Form("finch", f"{family.of_chick}/family/invitations"),
        _about(family, "finch", f"{OF_DEPENDENT}/family/invitations/{{invitation}}/take-back"),
        _about(family, "finch", f"{OF_DEPENDENT}/family/others/{{guardianship}}/end"),
        _about(family, "finch", f"{OF_DEPENDENT}/family/leave"),
    ]


def _of_care(family: Family) -> list[Form]:
    """What the specialist of north does."""
    appointment, plan = family.world.appointments["north"], family.world.items["north", "plan"]
    patient = f"/agenda/north/patients/{family.world.patients['north', FINCH]}"
    prescribed = {"do": "prescribe", "title": "P", "starts_on": str(today()), "ends_on": str(today() + days(6)),
                  "0.name": "Bridge", "0.times": "2"}  # fmt: skip
    return [
        Form("specialist.north", f"{patient}/plans", prescribed),
        Form("specialist.north", f"{patient}/plans/{plan}/confidential", {"hidden": "true"}),
        Form("specialist.north", f"{patient}/plans/{plan}/end"),
        Form("specialist.north", f"/agenda/north/{appointment}/confidential", {"hidden": "true"}),
        Form("specialist.north", f"/agenda/north/{seen_today(family.world)}/steps/arrive"),
        _about(family, "specialist.north", "/agenda/{clinic}/forms/{form}/confidential", hidden="true"),
    ]


def _of_staff(family: Family) -> list[Form]:
    """What the front desk of north does."""
    world, case = family.world, uuid4()
    pair = {"kept_patient_id": world.patients["north", WREN], "other_patient_id": world.patients["north", FINCH]}
    with connect_admin(world.server) as admin:
        insert(admin, "merge_case", {"clinic_id": world.clinic_ids["north"], "case_id": case, **pair})
    archive, digest = carried(family)[FINCH]
    new = {"offer": "visit/Dr. North", "starts_at": at(38)[LOCAL], "name": "Canary Tern", "email": "tern@example.org"}
    appointment, asked = f"{CLINIC}/appointments/{{appointment}}", {"reason": "patient_asked"}
    brought = f"{NORTH}/patients/{world.patients['north', FINCH]}/brought/bring"
    return [
        _about(family, "staff.north", f"{appointment}/steps/cancel", **asked),
        _about(family, "staff.north", f"{appointment}/move", starts_at=at(40)[LOCAL], **asked),
        _about(family, "staff.north", f"{appointment}/remind"),
        Form("staff.north", f"{NORTH}/patients/{world.patients['north', WREN]}/consent-request"),
        Form("staff.north", f"{on_their_own(family)}/account", {"email": "grown@example.org"}),
        Form("staff.north", f"{NORTH}/book", {**new, "key": str(uuid4())}),
        Form("staff.north", f"{NORTH}/merges/{case}", {"decision": "distinct"}),
        Form("staff.north", brought, {"digest": digest}, file=archive),
    ]


def _of_managers(family: Family) -> list[Form]:
    """What the manager of north does, but to segments."""
    of_webhook, by_law = f"{CLINIC}/webhooks/{{webhook}}", f"{CLINIC}/legal-guardians/{{legal_guardian}}"
    hook = {"url": "https://93.184.215.14/hook", "kinds": "entered"}
    deleted = Things(family.world, f"{of_webhook}/delete").address
    return [
        Form("manager.north", f"{NORTH}/webhooks", hook),
        *(_about(family, "manager.north", f"{of_webhook}/{do}") for do in ("disable", "enable", "test", "secret")),
        _about(family, "manager.north", f"{of_webhook}/deliveries/{{delivery}}/redeliver"),
        Form("manager.north", deleted, {}, deleted.removesuffix("/delete")),
        _about(family, "manager.north", f"{by_law}/confirm", **SEEN),
        _about(family, "manager.north", f"{by_law}/end", reason="no_longer"),
        _about(family, "manager.north", f"{CLINIC}/forms"),
        Form("manager.north", "/audit/seal"),
    ]


def _of_segments(family: Family) -> list[Form]:
    """What the manager of north does to segments."""
    one, put_away, campaign = f"{SEGMENTS}/everybody", f"{SEGMENTS}/empty", family.world.campaigns["north"]
    rule = {"r.kind": "any", "r.0.measure": "registration.days", "r.0.op": ">=", "r.0.value": "0", "do": "save"}
    chick = family.world.patients["north", CHICK]
    return [
        Form("manager.north", f"{SEGMENTS}/new", {**rule, "slug": "drawn", "name": "Drawn"}, f"{SEGMENTS}/new"),
        Form("manager.north", f"{one}/edit", rule, f"{one}/edit"),
        Form("manager.north", f"{one}/find", {"named": "canary"}),
        Form("manager.north", f"{one}/settings", {"name": "Everybody", "description": "All"}, f"{one}/settings"),
        Form("manager.north", f"{one}/duplicate", {"name": "Another", "slug": "another"}),
        Form("manager.north", f"{one}/messages/preview", NEWS),
        Form("manager.north", f"{one}/messages", {**NEWS, "key": str(uuid4())}),
        Form("manager.north", f"{one}/messages/{campaign}/stop"),
        Form("manager.north", f"{SEGMENTS}/elders/undecided/{chick}"),
        Form("manager.north", f"{put_away}/archive", {"reason": "mistake"}),
        Form("manager.north", f"{put_away}/revive", {"stored": "yes"}),
    ]


def _of_admins(family: Family) -> list[Form]:
    """What an admin does; keys and a service of north among it."""
    account, wren = f"/accounts/{family.world.account}", str(family.world.patients["north", WREN])
    role, opened = {"role": "clinic_manager", "clinic": "north"}, {"days_ahead": "90", "hold_minutes": "60"}
    acting = {"subject": "wren", "reason": "patient_asked", "ticket": "HELP-8", "minutes": "5"}
    offered = {"slug": "yoga", "name": "Yoga", "modality": "in_person", "minutes": "45"}
    return [
        Form("admin", "/accounts", {"login": "page.north", "name": "New", **role}),
        Form("admin", f"{account}/roles/give", role),
        Form("admin", f"{account}/roles/end", role),
        Form("admin", f"{account}/disable"),
        Form("admin", f"{account}/enable"),
        Form("admin", f"{NORTH}/keys", {"login": "page.key", "fields": "name", "purpose": "operations", "days": "30"}),
        _about(family, "admin", f"{CLINIC}/keys/{{key}}/renew"),
        _about(family, "admin", f"{CLINIC}/keys/{{key}}/end"),
        _about(family, "admin", f"{CLINIC}/quarantine/retry"),
        Form("admin", f"{NORTH}/legal-guardians", {**COURT, "patient": wren}),
        Form("admin", f"{NORTH}/settings/retention", {"consent_grace_days": "30"}),
        Form("admin", f"{NORTH}/settings/location", {"time_zone": "Europe/Paris", "country": "FR"}),
        Form("manager.north", f"{NORTH}/settings/bookings", opened),
        Form("manager.north", f"{NORTH}/settings/services", offered),
        Form("admin", "/impersonations", acting),
        _about(family, "admin", "/impersonations/end"),
    ]
