"""Acts of people about themselves and those in their care: consents, profiles, guardians."""

import hashlib
from datetime import UTC, date, datetime, timedelta
from time import sleep
from typing import Any

from core_chain import Chain
from core_model import AGES, CLINICS, NOT_THERE, OK, PURPOSES, Guardianship, Person
from psycopg import sql

from infra.database import connect_admin
from tests.utc import today

SOON = 0.7  # seconds until what is signed for so long is over
REASON = {"reason": "no_longer"}


class Families(Chain):
    """Each act asks, says which answers are possible, and does the same to the model."""

    def __init__(self, *values: Any) -> None:
        # Of invitations: the code, the dependent, and who made it.
        self.codes: list[tuple[str, str, str]] = []
        # The tag of a profile as somebody saw it once, and what was seen.
        self.tags: dict[tuple[str, str | None], tuple[str, Any]] = {}
        super().__init__(*values)

    # Consents.

    def sign(self) -> None:
        login, _, person, path = self.somebody()
        clinic, purpose, how = self.somewhere(person), self.random.choice(PURPOSES), self.random.random()
        texts = self.model.texts[clinic, purpose]
        version = texts[-1][0] if how > 0.1 else texts[0][0]
        body = {"clinic": clinic, "purpose": purpose, "text_version": version}
        body["sha256"] = _digest(version) if how < 0.9 else "ab" * 32
        over = 0.75 < how < 0.9
        if over:
            body["expires_at"] = (datetime.now(UTC) + timedelta(seconds=SOON)).isoformat()
        answer = self.ask(login, "POST", f"{path}/consents", body)
        registered = person and self.model.at(clinic, person.name)
        if not person or not registered or registered.gone:
            self.expect(answer, NOT_THERE)
        elif version != texts[-1][0]:
            self.expect(answer, "409 not_the_newest")
        elif how >= 0.9:
            self.expect(answer, "409 another_text")
        elif self.expect(answer, OK, *["422 past"][: int(over)]):
            self.model.sign(person.name, clinic, purpose, self.model.of_login(login).name, over=over)
            sleep(SOON + 0.05 if over else 0)

    def revoke(self) -> None:
        login, _, person, path = self.somebody()
        clinic, purpose = self.somewhere(person), self.random.choice(PURPOSES)
        signed = [each for each, found in self.model.signed.items() if not found.revoked]
        if signed and self.random.random() < 0.5:
            name, clinic, purpose = self.random.choice(signed)
            login, _, person, path = self.hand_of(name)
        answer = self.ask(login, "POST", f"{path}/consents/revoke", {"clinic": clinic, "purpose": purpose})
        registered = person and self.model.at(clinic, person.name)
        found = self.model.signed.get((person.name, clinic, purpose)) if person else None
        known = person and any((person.name, clinic, each) in self.model.signed for each in PURPOSES)
        if not registered or (registered.gone and not known):
            self.expect(answer, NOT_THERE)
        elif found is None or found.revoked:
            self.expect(answer, "409 not_signed")
        elif self.expect(answer, OK):
            found.revoked = True

    def publish(self) -> None:
        clinic, purpose, required = (
            self.random.choice(CLINICS),
            self.random.choice(PURPOSES),
            self.random.random() < 0.4,
        )
        who, version = self.random.choice(["manager.north", "manager.south"]), self.fresh("t").replace(" ", "")
        body: dict[str, Any] = {"purpose": purpose, "text_version": version, "body": _text(version)}
        if required:
            body["required_from"] = datetime.now(UTC).isoformat()
        answer = self.ask(who, "POST", f"clinics/{clinic}/consent-texts", body)
        if who != f"manager.{clinic}":
            self.expect(answer, NOT_THERE)
        elif self.expect(answer, OK):
            self.model.texts[clinic, purpose].append((version, required))

    # Profiles.

    def shown(self, person: Person, dependent: str | None) -> Any:
        by = self.model.guardianships[dependent].guardian if dependent else None
        return person.name, person.phone, str(person.born), [n for n, b in person.entries if by is None or b == by]

    def edit(self) -> None:
        login, dependent, person, path = self.somebody()
        read = self.ask(login, "GET", f"{path}/profile")
        if not self.expect(read, OK if person else NOT_THERE) or person is None:
            self.expect(self.ask(login, "PATCH", f"{path}/profile", {"sex": "male"}, **{"If-Match": "*"}), NOT_THERE)
            return
        tag, now = read.headers["etag"], self.shown(person, dependent)
        old, was = self.tags.get((login, dependent), (tag, now))
        if self.random.random() < 0.6:
            old, was = tag, now
        self.tags[login, dependent] = tag, now
        body: dict[str, Any] = {}
        if self.random.random() < 0.6:
            body["phone"] = f"+49309018{self.random.randint(20, 99)}"
        known = read.json().get("emergency_contacts")
        known = known if isinstance(known, list) else []
        kept = [each for each in known if self.random.random() < 0.7][:4]
        new = {"name": self.fresh("Canary Uncle"), "relationship": "uncle", "phone": "+4930901820"}
        if not body or self.random.random() < 0.5:
            body["emergency_contacts"] = [*kept, new]
        answer = self.ask(login, "PATCH", f"{path}/profile", body, **{"If-Match": old})
        if was != now:
            self.expect(answer, "409 changed_meanwhile")
        elif self.expect(answer, OK):
            self._edited(person, dependent, body)

    def _edited(self, person: Person, dependent: str | None, body: dict[str, Any]) -> None:
        person.phone = body.get("phone", person.phone)
        if "emergency_contacts" in body:
            by = self.model.guardianships[dependent].guardian if dependent else None
            named = [each["name"] for each in body["emergency_contacts"]]
            if by:
                others = [(n, b) for n, b in person.entries if b != by]
                person.entries = others + [(name, by) for name in named]
            else:
                authors = dict(person.entries)
                person.entries = [(name, authors.get(name)) for name in named]

    # Families.

    def invite(self) -> None:
        login, dependent, person, path = self.somebody()
        answer = self.ask(login, "POST", f"{path}/invitations")
        if not person:
            self.expect(answer, NOT_THERE)
        elif dependent is None and not self.model.of_age(person.name):
            self.expect(answer, "409 not_of_age")
        elif dependent is not None and self.model.of_age(person.name):
            self.expect(answer, "409 of_age")
        elif self.expect(answer, OK):
            self.codes.append((answer.json()["code"], person.name, self.model.of_login(login).name))

    def join(self) -> None:
        if not self.codes:
            self.invite()
            return
        login, model = self.login(), self.model
        # Codes of who may not invite any more, most of all.
        stale = [
            each for each in self.codes if each[2] not in (each[1], *(g.guardian for g in model.standing(each[1])))
        ]
        code, dependent, by = self.random.choice(stale if stale and self.random.random() < 0.5 else self.codes)
        answer = self.ask(login, "POST", "me/guardianships", {"code": code, "relationship": "parent"})
        me, agreed = model.of_login(login), by == dependent
        own = [g for g in model.guardianships.values() if (g.guardian, g.dependent) == (me.name, dependent)]
        good = agreed or any(g.guardian == by for g in model.standing(dependent))
        if not good or (dependent != me.name and agreed != model.of_age(dependent)) or not model.alive(dependent):
            self.expect(answer, NOT_THERE)
        elif dependent == me.name:
            self.expect(answer, "409 oneself")
        elif any(model.stands(g) or not g.before_today for g in own):
            self.expect(answer, "409 guardian_already")
        elif self.expect(answer, OK):
            self.codes.remove((code, dependent, by))
            self.begun(answer.json()["id"], me, dependent, agreed=agreed)

    def begun(self, gid: str, guardian: Person, dependent: str, *, agreed: bool = False) -> None:
        age = self.model.age_of_majority(dependent, guardian.name)
        self.model.guardianships[gid] = Guardianship(gid, guardian.name, dependent, agreed, age=age)
        guardian.roles.add("guardian")

    def add(self) -> None:
        login, name = self.login(), self.fresh("Canary Chick")
        born = date(today().year - 5, 1, 1)
        body = {"name": name, "birth_date": str(born), "relationship": "parent"}
        if self.expect(self.ask(login, "POST", "me/dependents", body), OK):
            self.model.people[name] = Person(name, born=born)
            self.begun(self.newest_guardianship(), self.model.of_login(login), name)

    def newest_guardianship(self) -> str:
        query = "select guardianship_id::text from operational.guardianship order by begun_at desc limit 1"
        return str(self.world.look(query)[0][0])

    def leave(self) -> None:
        login, dependent, person, path = self.somebody()
        if dependent is None:
            return
        answer = self.ask(login, "DELETE", path, REASON)
        if person is None:
            self.expect(answer, NOT_THERE)
            return
        model, own = self.model, self.model.guardianships[dependent]
        others = [g for g in model.standing(person.name) if g is not own]
        registered = any(r.gone is None for r in model.of_person(person.name))
        if not others and not person.login and registered:
            self.expect(answer, "409 last_guardian")
        elif self.expect(answer, OK):
            if others or person.login:
                model.end(own)
            else:
                own.ended, person.deleted_by = True, own.guardian

    def end_other(self) -> None:
        """The account holder ends another's guardianship, or an adult one of their own."""
        login, dependent, person, path = self.somebody()
        every = list(self.model.guardianships.values())
        whose = self.model.guardianships[dependent].dependent if dependent else self.model.of_login(login).name
        theirs = [g for g in every if g.dependent == whose and g.id != dependent]
        other = self.random.choice(theirs if theirs and self.random.random() < 0.8 else every)
        good = [(own, each) for own in every for each in self._ended_by(own)]
        if good and self.random.random() < 0.6:
            own, other = self.random.choice(good)
            login, dependent = str(self.model.people[own.guardian].login), own.id
            person, path = self.model.whose(login, dependent), f"me/dependents/{dependent}"
        answer = self.ask(login, "DELETE", f"{path}/guardians/{other.id}", REASON)
        model, me = self.model, self.model.of_login(login)
        standing = model.standing(person.name) if person else []
        if dependent:
            holds = bool(standing) and standing[0].guardian == me.name
            there = holds and other in standing[1:] and model.alive(other.guardian)
            refused = "409 of_age" if person and model.of_age(person.name) else None
        else:
            there = other in standing
            refused = None
            if person and not model.of_age(person.name):
                self.expect(answer, "409 not_of_age")
                return
        if not there:
            self.expect(answer, NOT_THERE)
        elif self.expect(answer, refused or OK):
            model.end(other)

    def _ended_by(self, own: Guardianship) -> list[Guardianship]:
        """Whose guardianships the guardian of this one may end."""
        standing = self.model.standing(own.dependent)
        holds = standing[:1] == [own] and self.model.people[own.guardian].login and self.model.guards(own)
        return standing[1:] if holds else []

    def restore(self) -> None:
        """An admin brings back a dependent who went with the last guardian."""
        gone = [g for g in self.model.guardianships.values() if self.model.people[g.dependent].deleted_by]
        choice = gone if gone and self.random.random() < 0.8 else list(self.model.guardianships.values())
        chosen = self.random.choice(choice)
        dependent = self.model.people[chosen.dependent]
        answer = self.ask("admin", "POST", f"dependents/{chosen.id}/undo")
        if chosen.by_law or not (chosen.ended and dependent.deleted_by == chosen.guardian):
            self.expect(answer, NOT_THERE)
        elif self.expect(answer, OK):
            chosen.ended, dependent.deleted_by = False, None

    def grow_up(self) -> None:
        """Time passes for a minor, who is of age from today on."""
        minors = [p for p in self.model.people.values() if p.born and not self.model.of_age(p.name)]
        if not minors:
            return
        grown = self.random.choice(minors)
        age = self.random.choice([18, 18, *AGES.values()])
        day = today()
        grown.born = date(day.year - age, day.month, min(day.day, 28))
        self.history.append(f"{grown.name} is {age}")
        for (name, *_), signed in self.model.signed.items():
            signed.on -= timedelta(days=name == grown.name)
        with connect_admin(self.world.server) as admin:
            ((person,),) = admin.execute("select person_id from operational.person where name = %s", [grown.name])
            for table in ("consent_event", "consent"):
                admin.execute(
                    sql.SQL(
                        "update operational.{} set occurred_at = occurred_at - interval '1 day' where person_id = %s"
                    ).format(sql.Identifier(table)), [person],
                )  # fmt: skip
            admin.execute("update operational.profile set birth_date = %s where person_id = %s", [grown.born, person])


def _text(version: str) -> str:
    return f"The text {version}."


def _digest(version: str) -> str:
    """Of the text of a version; that of the test's world is none."""
    return "00" * 32 if version == "v1" else hashlib.sha256(_text(version).encode()).hexdigest()
