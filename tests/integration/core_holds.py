"""What holds in every state of the database, whatever was done; and what the log and the messages say of it."""

import re
from email import message_from_bytes, policy
from typing import Any

from core_visits import Visits
from posting import due_now, mail_server, send
from psycopg import sql

from infra.database import connect_admin
from tests.integration.test_outbox import columns, telling

# Each finds what there must not be.
NEVER = {
    "a specialist booked twice": """
        select a.appointment_id from operational.appointment as a inner join operational.appointment as b
            on b.clinic_id = a.clinic_id and b.specialist = a.specialist and a.appointment_id < b.appointment_id
        where a.starts_at < b.ends_at and b.starts_at < a.ends_at
            and a.status not in ('cancelled', 'noshow') and b.status not in ('cancelled', 'noshow')
            and a.deleted_at is null and b.deleted_at is null""",
    "a patient booked twice": """
        select a.appointment_id from operational.appointment as a inner join operational.appointment as b
            on b.clinic_id = a.clinic_id and b.patient_id = a.patient_id and a.appointment_id < b.appointment_id
        where a.starts_at < b.ends_at and b.starts_at < a.ends_at
            and a.status not in ('cancelled', 'noshow') and b.status not in ('cancelled', 'noshow')
            and a.deleted_at is null and b.deleted_at is null and not a.confidential and not b.confidential""",
    "a form assigned twice for one occasion": """
        select clinic_id, patient_id, template, occasion from operational.form
        where deleted_at is null and occasion is not null group by 1, 2, 3, 4 having count(*) > 1""",
    "a visit to come of nobody's registration": """
        select a.appointment_id from operational.appointment as a
        inner join operational.registration as r using (clinic_id, patient_id)
        where r.deleted_at is not null and a.deleted_at is null and a.status = 'booked' and a.starts_at > now()""",
    "a patient who is nobody any more": """
        select r.patient_id from operational.registration as r inner join operational.person as p using (person_id)
        where r.deleted_at is null and p.deleted_at is not null""",
    "a person twice at a clinic": """
        select clinic_id, person_id from operational.registration group by 1, 2 having count(*) > 1""",
    "a form waiting for a visit that is not to be": """
        select f.form_id from operational.form as f inner join operational.appointment as a
            on a.clinic_id = f.clinic_id and a.appointment_id::text = f.occasion
        where f.status = 'pending' and f.deleted_at is null and (a.status = 'cancelled' or a.deleted_at is not null)""",
    "a form seen by guardians of a visit that is not": """
        select f.form_id from operational.form as f inner join operational.appointment as a
            on a.clinic_id = f.clinic_id and a.appointment_id::text = f.occasion
        where a.confidential and not f.confidential and f.deleted_at is null""",
    "a record that lies with another patient than its visit": """
        select f.form_id from operational.form as f inner join operational.appointment as a
            on a.clinic_id = f.clinic_id and a.appointment_id::text = f.occasion
        where f.patient_id <> a.patient_id""",
    "a mark without who and why": """
        select person_id from operational.person
        where deleted_at is not null and (deleted_by is null or delete_reason is null)""",
    "a revoked profile without its tombstone": """
        select c.person_id from operational.consent as c
        where c.state = 'revoked' and c.purpose = 'profile_sharing' and exists (
            select from operational.registration as r where r.person_id = c.person_id and r.clinic_id = c.clinic_id
            and not exists (select from operational.profile_tombstone as t where t.patient_id = r.patient_id
                and t.cleared_at is null))""",
}  # fmt: skip
KEPT = ("person", "profile", "registration", "consent_event", "consent", "consent_text", "guardianship", "appointment",
        "appointment_event", "form", "form_answer", "form_sealed", "profile_history", "merge_case", "message",
        "account_contact", "booking_request", "patient_source", "guardian_invitation", "principal")  # fmt: skip


EVENTS = """
select e.request_id::text, jsonb_build_object(
    'permitted', e.decision = 'permit', 'login', p.login, 'for', f.name, 'clinic', k.slug, 'role', e.role, 'of',
    (select coalesce(jsonb_agg(d.patient_id), '[]') from audit.disclosure as d where d.event_id = e.event_id),
    'impersonated', exists (select from audit.impersonation_event as i where i.event_id = e.event_id))
from audit.access_event as e
left join operational.principal as p using (principal_id)
left join operational.person as f on f.person_id = e.acting_for
left join operational.clinic as k on k.clinic_id = e.clinic_id
where e.request_id = any(%s::uuid[])"""


class Holds:
    """Looks at the database of a chain as it grows."""

    def __init__(self, chain: Visits) -> None:
        self.chain, self.checked = chain, 0
        with connect_admin(chain.world.server) as admin:
            self.counts = _counted(admin)
            ((self.since,),) = admin.execute("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint").fetchall()
        self.whose = {t: columns(chain.world, t) for t in telling(chain.world)}

    def check(self) -> None:
        with connect_admin(self.chain.world.server) as admin:
            for what, query in NEVER.items():
                assert not (found := admin.execute(query).fetchall()), f"{what}: {found}"
            self._told(admin)
            self._is_as_modelled(admin)
            self._recorded(admin)
            counts = _counted(admin)
        assert all(counts[table] >= before for table, before in self.counts.items()), "hard deleted"
        self.counts = counts
        self._nobody_is_left()

    def check_mail(self) -> None:
        """No message says more than a link."""
        due_now(self.chain.world)
        with mail_server() as (mailman, transport):
            send(self.chain.world, transport, times=10)
        assert mailman.came
        for _, content in mailman.came:
            mail = message_from_bytes(content, policy=policy.default)
            text = "".join(part.get_content() for part in mail.walk() if part.get_content_maintype() == "text")
            assert not re.search("Canary|North|South|clinics/", text + str(mail["subject"])), text
            assert len(re.findall("https?://", mail.get_body().get_content())) <= 1, text

    def _is_as_modelled(self, admin: Any) -> None:
        """Who is whose patient, who is deleted and what stands, as nobody alone sees it."""
        model = self.chain.model
        for what, query, expected in (
            (
                "the deleted",
                "select name from operational.person where deleted_at is not null",
                {(name,) for name in model.people if not model.alive(name)},
            ),
            (
                "the registered",
                """select patient_id::text, p.name, r.delete_reason
                from operational.registration as r inner join operational.person as p using (person_id)""",
                {(r.patient, r.person, r.gone) for r in model.registrations.values()},
            ),
            (
                "guardianships that stand",
                """select guardianship_id::text from operational.guardianship
                left join operational.profile on person_id = dependent_id
                where ended_by is null and (agreed or birth_date is null or (now() at time zone 'UTC')::date
                    < (birth_date + make_interval(years => majority_age))::date)""",
                {(g.id,) for g in model.guardianships.values() if model.stands(g)},
            ),
        ):
            found = {*admin.execute(query).fetchall()}
            assert found == expected, f"{what}: {found ^ expected}"

    def _told(self, admin: Any) -> None:
        """Each change told the outbox in its transaction, of a person at each clinic of theirs."""
        for table, has in self.whose.items():
            whose = ["patient_id" if "patient_id" in has else "person_id", *({"clinic_id"} & has)]
            query = sql.SQL(
                "select * from operational.{} as t inner join operational.registration as r using ({})"
                " where t.xmin::text::bigint >= %s and r.registered_on <= current_date and not exists ("
                "select from operational.outbox as o where o.xmin = t.xmin"
                " and (o.clinic_id, o.patient_id) = (r.clinic_id, r.patient_id))"
                + (" and r.xmin = t.xmin" if table in ("person", "profile") else "")
                # Nor are signatures told that `grow_up` moved a day into the past.
                + (" and t.occurred_at > now() - interval '12 hours'" if table == "consent_event" else "")
            ).format(sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, whose)))
            found = admin.execute(query, [self.since]).fetchall()
            assert not found, f"{table} told nobody: {found}"

    def _recorded(self, admin: Any) -> None:
        """Every request left an event: who asked, for whom, where, and of which patient."""
        chain = self.chain
        asked, self.checked = chain.asked[self.checked :], len(chain.asked)
        found: dict[str, list[dict[str, Any]]] = {}
        for request, event in admin.execute(EVENTS, [[each[0] for each in asked]]).fetchall():
            found.setdefault(request, []).append(event)
        for request, who, method, path, status, dependent in asked:
            events, what = found.get(request, []), f"{who} {method} {path} {status}"
            # An event for each of them, who may be none.
            assert events or path == "me/dependents", f"no event: {what}"
            for event in events:
                assert _is_true(event, who, path, status, dependent), f"{what}: {event}"

    def _nobody_is_left(self) -> None:
        """Of a small child somebody is the guardian, once somebody was, while a clinic or the platform knows them."""
        model = self.chain.model
        for person in model.people.values():
            was = any(g.dependent == person.name for g in model.guardianships.values())
            if was and not model.of_age(person.name) and model.alive(person.name) and not person.login:
                # One that ended by age, where the age is a higher one by now, has nobody follow.
                left = [g for g in model.guardianships.values() if g.dependent == person.name and not g.ended]
                assert any(model.alive(g.guardian) for g in left), f"nobody's: {person}"


def _counted(admin: Any) -> dict[str, int]:
    query = " union all ".join(f"select '{t}', count(*) from operational.{t}" for t in KEPT)  # nosec B608 # constants
    return dict(admin.execute(query).fetchall())


def _is_true(event: dict[str, Any], who: str, path: str, status: int, dependent: str | None) -> bool:
    """Whether an event says what was asked, by whom, and what of whom was shown or done."""
    done, parts, by_person = status < 300, path.split("/"), bool(who) and not who.startswith(("key:", "as "))
    # An own booking that was denied was at no clinic of theirs.
    at_clinic = parts[0] == "clinics" and (done or parts[2] != "bookings")
    return (
        event["permitted"] is done
        and (not by_person or event["login"] == who)
        and (not who.startswith("as ") or (event["role"] == "platform_admin" and event["impersonated"]))
        and (not at_clinic or event["clinic"] == parts[1])
        and (not done or dependent is None or event["for"] == dependent)
        and (not done or (patient := _patient_in(parts)) is None or event["of"] == [patient])
    )


def _patient_in(parts: list[str]) -> str | None:
    """The patient whom a path names."""
    if parts[2:3] == ["patients"]:
        return parts[3]
    return parts[4] if parts[2:4] == ["deletions", "registration"] else None
