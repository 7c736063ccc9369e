"""A chain of random acts through the API, with real sign-ins and keys: how it asks, and what every answer has to be."""

import json
import re
from random import Random
from typing import Any

import access_world
import httpx
import schemathesis
from access_world import CHICK, FINCH, WREN, Api, World
from core_beginning import furnish, model_of
from core_model import CLINICS, NOT_THERE, OK, SHARING, Person
from provisional import Mailbox

NOTHING = {"type": "urn:cloister:problem:not-there", "title": "There is nothing here.", "status": 404}
DEPENDENT = re.compile("me/dependents/([0-9a-f-]{36})")
# An answer of each operation and status is held against the document so many times.
HELD = 3
Operations = list[tuple[str, re.Pattern[str], schemathesis.APIOperation]]
_KNOWN: Operations = []


class Chain:
    """One history: the world that it happens to, the model, and what was asked."""

    def __init__(self, world: World, api: Api, mailbox: Mailbox, seed: int) -> None:
        self.world, self.api, self.mailbox, self.random = world, api, mailbox, Random(seed)
        self.headers, self.history, self.count = dict[str, dict[str, str]](), [f"seed {seed}"], 0
        # Id of the request, who asked, method, path, status, and for which dependent.
        self.asked: list[tuple[str, str, str, str, int, str | None]] = []
        # Live forms with their patients, and whether they are confidential: which there are the database says.
        self.forms: list[tuple[Any, ...]] = []
        self._held: dict[tuple[str, int], int] = {}
        self._operations = _operations(api)
        furnish(world)
        self.model = model_of(world)
        self._begin()

    def _begin(self) -> None:
        """Cases of people with accounts, which only a test's world has, are decided; two accounts prove an email."""
        for clinic in CLINICS:
            path = f"clinics/{clinic}/merges/{self.world.cases[clinic]}"
            self.done(f"staff.{clinic}", "POST", path, {"decision": "distinct"})
        for person in (self.model.people[name] for name in (FINCH, WREN)):
            person.email = f"{person.login}@example.org"
            found = self.done(str(person.login), "PUT", "me/account/contacts", {"email": person.email})
            path = f"verifications/{found['verification']}"
            self.done("", "POST", path, {"code": self.code(f"/verify/{found['verification']}")})
        for each in [g for g in self.model.guardianships.values() if g.dependent == CHICK]:
            entry = {"name": self.fresh("Canary Uncle"), "relationship": "uncle", "phone": "+4930901820"}
            login, path = str(self.model.people[each.guardian].login), f"me/dependents/{each.id}/profile"
            self.done(login, "PATCH", path, {"emergency_contacts": [entry]}, **{"If-Match": "*"})
            self.model.people[CHICK].entries.append((entry["name"], each.guardian))
        # Both dependents share with north, where what becomes of entries and of guardians' signatures is seen.
        for each in [g for g in self.model.guardianships.values() if g.guardian == FINCH]:
            signed = {"clinic": "north", "purpose": SHARING, "text_version": "v1", "sha256": "00" * 32}
            self.done("finch", "POST", f"me/dependents/{each.id}/consents", signed)
            self.model.sign(each.dependent, "north", SHARING, FINCH)

    def code(self, link: str) -> str:
        """The newest code that came with a link."""
        return next(str(m.code) for m in reversed(self.mailbox.messages) if m.link == link)

    def ask(self, who: str, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Ask as a login, a key or whoever acts as somebody; nothing is ever a 5xx, or not as the document says."""
        self.history.append(f"{who} {method} {path} {'' if body is None else json.dumps(body)} {headers or ''}")
        content = None if body is None else json.dumps(body)
        kind = {"content-type": "application/json"} if content else {}
        answer = self.api.request(method, f"/v1/{path}", headers={**self._as(who), **kind, **headers}, content=content)
        self.history[-1] += f" -> {answer.status_code}"
        assert answer.status_code < 500, answer.text
        assert answer.status_code != 401, answer.text
        self._conforms(method, path, answer)
        found = DEPENDENT.match(path)
        dependent = self.model.guardianships[found[1]].dependent if found else None
        self.asked.append((answer.headers["x-request-id"], who, method, path, answer.status_code, dependent))
        return answer

    def done(self, who: str, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The answer to what must succeed."""
        answer = self.ask(who, method, path, body, **headers)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def expect(self, answer: httpx.Response, *possible: str) -> bool:
        """Whether it was done; any outcome but the possible ones fails."""
        found = outcome(answer)
        self.history[-1] += f" {found}"
        assert found in possible, f"{found}, not {possible}"
        return found == OK

    def recorded(self) -> list[tuple[str | None, bool]]:
        """Whom the event of what was just done names, and whether it is hidden from guardians."""
        return self.world.look(
            "select d.patient_id::text, 'confidential' = any(e.categories) from audit.access_event as e"
            " left join audit.disclosure as d using (event_id) where e.request_id = %s and e.decision = 'permit'",
            self.asked[-1][0],
        )

    def _as(self, who: str) -> dict[str, str]:
        if who and who not in self.headers:
            key = self.world.keys.get(who.removeprefix("key:"))
            self.headers[who] = {"Authorization": f"Bearer {key}"} if key else access_world.sign_in(self.api, who)
        return self.headers.get(who, {})

    def _conforms(self, method: str, path: str, answer: httpx.Response) -> None:
        bare = "/v1/" + path.split("?")[0]
        found = [each for verb, known, each in self._operations if verb == method and known.fullmatch(bare)]
        operation = min(found, key=lambda each: each.path.count("{"))
        key = (f"{method} {operation.path}", answer.status_code)
        self._held[key] = self._held.get(key, 0) + 1
        if self._held[key] <= HELD:
            assert str(answer.status_code) in operation.definition.raw["responses"], f"{key} is not in the document"
            operation.validate_response(answer)

    # Who and where.

    def fresh(self, kind: str) -> str:
        """A name that nobody has."""
        self.count += 1
        return f"{kind} {'abcdefghijklmnopqrstuvwxyz'[self.count % 26] * (1 + self.count // 26)}"

    def login(self) -> str:
        """Somebody's, who is not deleted."""
        return self.random.choice([p.login for p in self.model.people.values() if p.login and not p.deleted_by])

    def somebody(self) -> tuple[str, str | None, Person | None, str]:
        """Who asks, by which guardianship, for whom (None if they may not), and below which path."""
        login, dependent = self.login(), None
        if self.random.random() < 0.55:
            every = list(self.model.guardianships.values())
            standing = [each for each in every if self.model.guards(each)]
            chosen = self.random.choice(standing if standing and self.random.random() < 0.75 else every)
            dependent = chosen.id
            if self.random.random() < 0.8:
                login = self.model.people[chosen.guardian].login or login
        person = self.model.whose(login, dependent)
        return login, dependent, person, f"me/dependents/{dependent}" if dependent else "me"

    def hand_of(self, name: str) -> tuple[str, str | None, Person | None, str]:
        """As `somebody`, who may act for this person if anybody may."""
        hands = [(self.model.people[g.guardian].login, g.id) for g in self.model.standing(name)]
        hands = [hand for hand in [(self.model.people[name].login, None), *hands] if hand[0]]
        good = [hand for hand in hands if self.model.whose(*hand)]
        if not good:
            return self.somebody()
        login, dependent = self.random.choice(good)
        return login, dependent, self.model.people[name], f"me/dependents/{dependent}" if dependent else "me"

    def somewhere(self, person: Person | None) -> str:
        """A clinic; most often one of the person's."""
        theirs = [each.clinic for each in self.model.of_person(person.name)] if person else []
        return self.random.choice(theirs if theirs and self.random.random() < 0.8 else CLINICS)


def outcome(answer: httpx.Response) -> str:
    """`ok`, `404`, or status and rule."""
    if answer.status_code < 300:
        return OK
    if answer.status_code == 404:
        assert answer.json() == NOTHING, answer.text
        return NOT_THERE
    errors = answer.json().get("errors") or [{"rule": answer.text}]
    return f"{answer.status_code} {errors[0]['rule']}"


def _operations(api: Api) -> Operations:
    """The document's operations by method and path; it is the same of each world."""
    if not _KNOWN:
        document = schemathesis.openapi.from_dict(api.get("/v1/openapi.json").json())
        for found in document.get_all_operations():
            operation = found.ok()
            path = re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(operation.path))
            _KNOWN.append((operation.method.upper(), re.compile(path), operation))
    return _KNOWN
