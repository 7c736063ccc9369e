"""What routes are about: an address with things that are there, fresh where asking may use one up.

A dependent's things are Chick's, a patient of the clinic as well; everything else is Finch's.
"""

import itertools
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from uuid import UUID, uuid4

import access_world
from access_world import CHICK, FINCH, HERON, WREN, World

from api import system_keys
from api.families.invitation_repository import LEGAL_PURPOSE
from infra.database import connect_admin
from infra.encryption.codec import Place
from infra.encryption.columns import LEGAL_GUARDIAN
from tests.integration.sealing import add_batch, add_events, seal_all
from tests.utc import today

# Nobody has two visits at once.
_SLOTS = itertools.count()
# One guardian and dependent have no two guardianships that began on one day.
_DAYS = itertools.count(1)
FIXED = {
    "segment": "everybody", "segment_template": "over-65-low-adherence", "template": "pain", "token": "made-up",
    "day": "2026-01-01", "purpose": "communications", "offered": "visit",
    # Nobody signs in with it, and it gives nothing away.
    "verification": UUID(int=0),
}  # fmt: skip


# What a page's form has to say to be decided about at all.
_ENDED = {"reason": "no_longer"}
SAID: dict[str, dict[str, str]] = {
    "/clinics/{clinic}/forms": {
        "do": "save", "name": "another", "title": "Another", "q0.id": "one", "q0.type": "text", "q0.text": "How?",
    },
    "/clinics/{clinic}/legal-guardians/{legal_guardian}/confirm": {"document": "52 XVII 1/26"},
    "/clinics/{clinic}/legal-guardians/{legal_guardian}/end": _ENDED,
    "/clinics/{clinic}/quarantine/retry": {"entry": "{entry}"},
    "/clinics/{clinic}/segments/{segment}/messages": {"subject": "News", "text": "We open at eight."},
    "/impersonations/end": {"impersonation": "{impersonation}"},
    "/me/consents/{clinic}/{purpose}": {"text_version": "v1", "sha256": "1" * 64},
    "/me/dependents/{dependent}/consents/{clinic}/{purpose}": {"text_version": "v1", "sha256": "1" * 64},
    "/me/dependents/{dependent}/family/leave": _ENDED,
    "/me/dependents/{dependent}/family/others/{guardianship}/end": _ENDED,
    "/me/dependents/{dependent}/profile/edit": {"name": CHICK},
    "/me/family/dependents": {"name": "Canary Jay", "birth_date": "1990-01-01", "relationship": "parent"},
    "/me/family/guardians/{guardianship}/end": _ENDED,
    "/me/profile/edit": {"name": FINCH},
}  # fmt: skip


def filled(world: World, path: str, clinic: str = "north") -> str:
    """A path with things that are there; a parameter that this does not know fails."""
    return Things(world, path, clinic).address


class Things(dict[str, object]):
    """What the parameters of a path stand for, made when first asked for."""

    def __init__(self, world: World, path: str, clinic: str = "north") -> None:
        super().__init__(FIXED | world.under(path))
        self.world, self.path, self.clinic = world, path, clinic
        self.clinic_id = world.clinic_ids[clinic]

    def __missing__(self, name: str) -> object:
        make: Callable[[], object] = getattr(self, f"_{name}")
        self[name] = make()
        return self[name]

    @property
    def address(self) -> str:
        """Where they are."""
        found = self.path.format_map(self)
        return f"{found}?patient={self['patient']}" if self.path == "/fhir/Consent" else found

    @property
    def said(self) -> dict[str, str]:
        """What the page's form says of them."""
        return {name: value.format_map(self) for name, value in SAID.get(self.path, {}).items()}

    @property
    def person(self) -> str:
        """Whose things they are."""
        return CHICK if "{dependent}" in self.path else FINCH

    def insert(self, table: str, **values: object) -> None:
        with connect_admin(self.world.server) as admin:
            access_world.insert(admin, table, values)

    def of_clinic(self, name: str) -> UUID:
        """The patient at the clinic; Chick, whom no test knows as one unless it says so, becomes one."""
        if (self.clinic, name) not in self.world.patients:
            self.world.register_chick(self.clinic)
        return self.world.patients[self.clinic, name]

    def item(self, kind: str, **values: object) -> UUID:
        """A form, plan or appointment at the clinic."""
        if self.person == FINCH:
            return self.world.items[self.clinic, kind]
        if found := self.world.items.get((self.clinic, f"dependents.{kind}")):
            return found
        made = self.world.items[self.clinic, f"dependents.{kind}"] = uuid4()
        table = {"plan": "treatment_plan"}.get(kind, kind)
        whose = {"clinic_id": self.clinic_id, "patient_id": self.of_clinic(CHICK)}
        self.insert(table, **whose, **{f"{kind}_id": made}, **values)
        return made

    def _clinic(self) -> str:
        return self.clinic

    def _today(self) -> str:
        """The clinic's own day."""
        query = "select (now() at time zone time_zone)::date::text from operational.clinic where clinic_id = %s"
        return str(self.world.look(query, self.clinic_id)[0][0])

    def _patient(self) -> UUID:
        return self.world.patients[self.clinic, FINCH if self.clinic == "north" else HERON]

    def _record(self) -> UUID:
        if not self.path.endswith("/undo"):
            return self._patient()
        form = uuid4()
        whose = {"clinic_id": self.clinic_id, "patient_id": self._patient(), "form_id": form}
        deleted = {"deleted_at": today(), "deleted_by": uuid4(), "delete_reason": "entered_wrongly"}
        self.insert("form", **whose, template="i", status="pending", assigned_on="2026-01-01", **deleted)
        return form

    def _kind(self) -> str:
        return "form" if self.path.endswith("/undo") else "registration"

    def _dependent(self) -> UUID:
        if self.path.endswith(("/undo", "/leave")):
            return self._child(self.path.endswith("/undo"))
        return self.world.guardianship

    def _child(self, left_alone: bool) -> UUID:
        """Finch's guardianship of a child whom no clinic knows; or of one who was deleted when Finch left."""
        child, made, finch = uuid4(), uuid4(), self.world.people[FINCH]
        marked = {"deleted_at": today(), "deleted_by": finch, "delete_reason": "no_longer"}
        ended = {"ends_on": today(), "ended_by": finch, "end_reason": "no_longer"}
        self.insert("person", person_id=child, name="Canary Egg", **(marked if left_alone else {}))
        self.insert("profile", person_id=child, birth_date=str(today()))
        self._guarded(made, FINCH, child, **(ended if left_alone else {}))
        return made

    def _guarded(self, made: UUID, guardian: str, dependent: UUID, **values: object) -> None:
        whose = {"guardian_id": self.world.people[guardian], "dependent_id": dependent, "relationship": "parent"}
        self.insert("guardianship", guardianship_id=made, **whose, starts_on=today() - timedelta(next(_DAYS)), **values)

    def _guardianship(self) -> UUID:
        made = uuid4()
        self._guarded(made, HERON, self.world.people[self.person], agreed=True)
        return made

    def _invitation(self) -> UUID:
        made, person = uuid4(), self.world.people[self.person]
        code = {"code_hash": secrets.token_bytes(32), "expires_at": access_world.in_days(7)}
        self.insert(
            "guardian_invitation", invitation_id=made, dependent_id=person, made_by=self.world.people[FINCH], **code
        )
        return made

    def _legal_guardian(self) -> UUID:
        made = uuid4()
        place = Place(LEGAL_GUARDIAN.place, "contact", str(made))
        contact = access_world.seal(self.world, LEGAL_PURPOSE, place, b"nobody@example.org")
        law = {"basis": "court_order", "ends_on": "2999-01-01", "recorded_by": self.world.account, "contact": contact}
        lasting = {"clinic_id": self.clinic_id, "expires_at": access_world.in_days(7)}
        self.insert("guardian_invitation", invitation_id=made, dependent_id=self.world.people[FINCH], **law, **lasting)
        return made

    def _appointment(self) -> UUID:
        """A visit to come, by video."""
        made = uuid4()
        one = {"clinic_id": self.clinic_id, "appointment_id": made}
        start = access_world.in_days(8) + next(_SLOTS) * access_world.HALF_AN_HOUR
        times = {"starts_at": start, "ends_at": start + access_world.HALF_AN_HOUR, "starts_on": start.date()}
        booked = {"service": "call", "modality": "video", "status": "booked", "booked_on": "2026-01-01"}
        specialist = f"Dr. {self.clinic.title()}"
        self.insert(
            "appointment", **one, patient_id=self.of_clinic(self.person), specialist=specialist, **booked, **times
        )
        self.insert("appointment_event", **one, step="book", to_status="booked", role="clinic_staff")
        self.insert("video_room", **one, room=f"canary-room-of-a-visit-by-video-{made}")
        return made

    def _form(self) -> UUID:
        return self.item("form", template="i", status="pending", assigned_on="2026-01-01")

    def _plan(self) -> UUID:
        return self.item("plan", title="P", starts_on="2026-01-01")

    def _exercise(self) -> UUID:
        if self.person == FINCH:
            return self.world.items[self.clinic, "exercise"]
        made = uuid4()
        often = {"name": "Canary bridge", "times": 2, "weekdays": [1], "starts_on": "2026-01-01"}
        whose = {"clinic_id": self.clinic_id, "patient_id": self.of_clinic(CHICK), "plan_id": self["plan"]}
        self.insert("exercise", **whose, exercise_id=made, **often, ends_on="2026-12-31")
        return made

    def _handover(self) -> UUID:
        return self.world.items[self.clinic, "handover"]

    def _case(self) -> UUID:
        return self.world.cases[self.clinic]

    def _campaign(self) -> UUID:
        return self.world.campaigns[self.clinic]

    def _webhook(self) -> UUID:
        with connect_admin(self.world.server) as admin:
            access_world.add_webhook(admin, self.world, self.clinic)
        return self.world.webhooks[self.clinic]

    def _delivery(self) -> UUID:
        assert self["webhook"]
        return self.world.deliveries[self.clinic]

    def _key(self) -> str:
        fields = [system_keys.BOOKINGS]
        key = system_keys.add_api_key(self.world.server, f"made.{uuid4()}", self.clinic, fields=fields)
        return key.split("_")[1]

    def _account(self) -> UUID:
        return self.world.account

    def _step(self) -> str:
        return "enable" if "{account}" in self.path else "complete"

    def _impersonation(self) -> UUID:
        """That an admin acts as Wren, at this moment."""
        made, now = uuid4(), datetime.now(UTC)
        ((actor,), (subject,)) = self.world.look(
            "select principal_id from operational.principal where login in ('admin.too', 'wren') order by login"
        )
        who = {"actor_id": actor, "subject_id": subject, "person_id": self.world.people[WREN]}
        lasting = {"starts_at": now, "ends_at": now + access_world.HALF_AN_HOUR}
        self.insert("impersonation", impersonation_id=made, **who, reason="patient_asked", ticket="T-1", **lasting)
        return made

    def _consent(self) -> str:
        return f"{self._patient()}.profile-sharing"

    def _event(self) -> UUID:
        """Of the audit log, sealed, that tells of a patient; or a consent's, of which there may be a receipt."""
        if "receipt" in self.path:
            return self._consent_event()
        patients = [self.of_clinic(self.person)]
        (made,) = add_events(self.world.server, 1, self.clinic_id, patients)
        sealed = "select from audit.leaf where event_id = %s"
        # The sealer waits for whatever was begun before: a request that is not quite over yet.
        while not self.world.look(sealed, made):
            seal_all(self.world.server)
        return made

    def _consent_event(self) -> UUID:
        whose = self.world.people[self.person]
        self.of_clinic(self.person)
        self.world.consent(self.clinic, self.person, signer_id=self.world.people[FINCH])
        ((found,),) = self.world.look(
            "select event_id from operational.consent_event where person_id = %s and clinic_id = %s"
            " and purpose = 'profile_sharing' order by occurred_at desc limit 1",
            whose, self.clinic_id,
        )  # fmt: skip
        return UUID(str(found))

    def _batch(self) -> UUID:
        event = add_batch(self.world.server, self.clinic_id, "patients", [self._patient()])
        ((found,),) = self.world.look("select batch_id from audit.access_event where event_id = %s", event)
        return UUID(str(found))

    def _entry(self) -> UUID:
        made = uuid4()
        ((batch,),) = self.world.look("select batch_id from operational.import_batch limit 1")
        row = {"file": "f", "source": "s", "batch_id": batch, "entity": "e", "row_key": made.bytes, "line": 1}
        self.insert("quarantine", clinic_id=self.clinic_id, quarantine_id=made, **row, reason="r", content=b"x")
        return made

    def _message(self) -> UUID:
        """A mail of a demo, with a calendar."""
        made = uuid4()
        mail = EmailMessage()
        mail["To"], mail["Subject"] = "nobody@example.org", "A visit"
        mail.set_content("Your visit")
        mail.add_attachment("BEGIN:VCALENDAR", subtype="calendar", filename="visit.ics")
        content = access_world.seal(
            self.world, "message", Place("operational.demo_mail", "content", str(made)), bytes(mail)
        )
        person = self.world.people[FINCH]
        state = {"state": "sent", "sent_at": today()}
        self.insert("message", message_id=made, person_id=person, kind="code", **state)
        self.insert("demo_mail", message_id=made, content=content)
        return made
