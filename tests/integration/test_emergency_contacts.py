"""Whom to call for a dependent: each guardian says it, and learns nothing of what another one said."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import access_world
import pytest
from access_world import CHICK, CONTACTS, FINCH, HERON, Api, World
from browsing import Browsers
from exporting import export, validate
from impersonating import act_as

from infra.database import connect_admin
from infra.encryption.rotation.book import Kind
from tests.integration.records import add_chick
from tests.integration.sealed_people import turn
from tests.integration.test_editing import at_clinic, edit, read
from tests.integration.waiting import until_somebody_waits
from tests.utc import today

FIELD = "emergency_contacts"
PREVIOUS = "select previous from operational.profile_history"


def called(name: str, phone: str = "+4930901833") -> dict[str, str]:
    return {"name": name, "relationship": "aunt", "phone": phone}


def come_of_age(world: World) -> None:
    born = today() - timedelta(days=20 * 366)
    world.change("update operational.profile set birth_date = %s where person_id = %s", born, world.people[CHICK])


OF_FINCH, OF_HERON, OF_CHICK = called("Canary Lark"), called("Canary Owl", "+4930901844"), called("Canary Tit")
# As an import brought it, beside entries.
AUNT = {"name": CONTACTS[FIELD], "relationship": "", "phone": ""}


@dataclass
class Guardians:
    """Finch and Heron, guardians of Chick: by login, at which address they find the child."""

    world: World
    api: Api
    at: dict[str, str]

    def says(self, login: str, *contacts: dict[str, str], tag: str | None = None, status: int = 200) -> Any:
        answer = edit(self.api, login, {FIELD: list(contacts)}, self.at[login], tag)
        assert answer.status_code == status, answer.text
        return answer

    def reads(self, login: str) -> Any:
        return read(self.api, login, self.at[login])

    def sees(self, login: str) -> Any:
        return self.reads(login).json()[FIELD]


@pytest.fixture
def guardians(fresh: World, running: Api) -> Guardians:
    add_chick(fresh)
    fresh.register_chick("south")
    fresh.consent("north", CHICK, signer_id=fresh.people[FINCH])
    ((of_heron,),) = fresh.look(
        "insert into operational.guardianship (guardian_id, dependent_id, relationship, starts_on)"
        " values (%s, %s, 'aunt', '2020-03-01') returning guardianship_id", fresh.people[HERON], fresh.people[CHICK],
    )  # fmt: skip
    at = {"finch": f"me/dependents/{fresh.guardianship}", "heron": f"me/dependents/{of_heron}", "chick": "me"}
    return Guardians(fresh, running, at)


@pytest.mark.check(52)
def test_each_guardian_has_their_own_and_the_consented_clinic_and_the_person_have_all(guardians: Guardians) -> None:
    world, api = guardians.world, guardians.api
    for login, own in (("finch", OF_FINCH), ("heron", OF_HERON)):
        assert guardians.sees(login) is None
        assert guardians.says(login, own).json()["changed"] == [FIELD]
        assert guardians.sees(login) == [own]
    everybodys = [AUNT, OF_FINCH, OF_HERON]
    assert at_clinic(world, api, "north", CHICK)[FIELD] == guardians.sees("chick") == everybodys
    assert set(at_clinic(world, api, "south", CHICK)) == {"patient_id", "name"}
    guardians.says("finch", {**OF_FINCH, "phone": "+4930901855"}, called("Canary Kite"))
    assert [each["name"] for each in guardians.sees("chick")] == [
        AUNT["name"],
        "Canary Owl",
        "Canary Lark",
        "Canary Kite",
    ]
    assert guardians.says("finch").json()["changed"] == [FIELD]
    assert edit(api, "finch", {FIELD: None}, guardians.at["finch"]).json()["changed"] == []
    assert (guardians.sees("finch"), guardians.sees("heron")) == (None, [OF_HERON])
    assert at_clinic(world, api, "north", CHICK)[FIELD] == [AUNT, OF_HERON]


@pytest.mark.check(52)
def test_what_others_say_moves_nothing_that_a_guardian_reads(guardians: Guardians) -> None:
    guardians.says("finch", OF_FINCH)

    def told() -> list[object]:
        seen = guardians.reads("finch")
        same = guardians.says("finch", OF_FINCH)
        late = guardians.says("finch", tag='"1-1"', status=409)
        return [seen.content, seen.headers["etag"], same.content, same.headers["etag"], late.content]

    before = told()
    for contacts in ([OF_HERON], [OF_HERON] * 5, [], [OF_FINCH]):
        guardians.says("heron", *contacts)
        assert told() == before
    guardians.says("chick", OF_CHICK, OF_FINCH)
    assert told() == before
    # What they see is guarded as ever: the person takes theirs away.
    guardians.says("chick", OF_CHICK)
    assert (
        guardians.says("finch", OF_FINCH, tag=str(before[1]), status=409).json()["errors"][0]["rule"]
        == "changed_meanwhile"
    )
    assert guardians.sees("finch") is None and guardians.sees("heron") is None


@pytest.mark.check(52)
def test_of_two_guardians_at_once_neither_hears_of_the_other_and_nothing_is_lost(guardians: Guardians) -> None:
    tags = {login: guardians.reads(login).headers["etag"] for login in ("finch", "heron")}
    own = {"finch": OF_FINCH, "heron": OF_HERON}
    with ThreadPoolExecutor(2) as pool:
        answers = dict(
            zip(own, pool.map(lambda login: guardians.says(login, own[login], tag=tags[login]), own), strict=True)
        )
    for login in own:
        assert guardians.sees(login) == [own[login]]
        assert answers[login].json() == {"version": guardians.reads(login).headers["etag"], "changed": [FIELD]}
        guardians.says(login, tag=tags[login], status=409)
    assert sorted(each["name"] for each in guardians.sees("chick")) == [AUNT["name"], "Canary Lark", "Canary Owl"]
    # Without a condition nothing of another's goes either.
    guardians.says("finch", tag="*")
    assert guardians.sees("heron") == [OF_HERON]


@pytest.mark.check(52)
def test_how_many_there_may_be_tells_of_no_others(guardians: Guardians) -> None:
    five = [called(f"Canary {number}") for number in range(5)]
    for login in ("finch", "heron"):
        guardians.says(login, *five)
        refused = guardians.says(login, *five, OF_HERON, status=422).json()["errors"]
        assert refused == [{"place": f"body.{FIELD}", "rule": "too_long"}]
    # Who sees more than five keeps them, and adds none.
    everybodys = guardians.sees("chick")
    assert len(everybodys) == 11
    guardians.says("chick", *five, *five, OF_CHICK)
    guardians.says("chick", *five, *five, OF_CHICK, OF_CHICK, status=422)
    assert guardians.sees("finch") == guardians.sees("heron") == five


@pytest.mark.check(52)
def test_what_the_person_changes_is_theirs_and_what_they_leave_is_the_guardians_still(guardians: Guardians) -> None:
    guardians.says("finch", OF_FINCH)
    guardians.says("heron", OF_HERON)
    guardians.says("chick", OF_CHICK, OF_HERON, {**OF_FINCH, "relationship": "friend"})
    assert (guardians.sees("finch"), guardians.sees("heron")) == (None, [OF_HERON])
    guardians.says("heron")
    assert guardians.sees("chick") == [OF_CHICK, {**OF_FINCH, "relationship": "friend"}]


@pytest.mark.check(52)
@pytest.mark.parametrize("brought", [AUNT["name"], "Canary " * 60])
def test_what_a_file_left_out_is_taken_as_it_is_and_a_new_one_is_complete(
    guardians: Guardians, brought: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = f"body.{FIELD}"
    monkeypatch.setitem(CONTACTS, FIELD, brought)
    access_world._contacts(guardians.world)
    guardians.says("finch", OF_FINCH)
    shown = guardians.sees("chick")
    assert shown[0]["phone"] == "" and len(shown) == 2
    guardians.says("chick", *shown, OF_CHICK)
    assert guardians.sees("chick") == [*shown, OF_CHICK] and guardians.sees("finch") == [OF_FINCH]
    for wrong, part, rule in (
        ({**shown[0], "name": "Canary Rook"}, "relationship", "string_too_short"),
        ({**OF_CHICK, "phone": ""}, "phone", "not_valid"),
        ({**OF_CHICK, "name": "x" * 201}, "name", "string_too_long"),
    ):
        refused = guardians.says("chick", *shown, wrong, status=422).json()["errors"]
        assert refused == [{"place": f"{place}.2.{part}", "rule": rule}]
    # Of others' a guardian leaves out as little as of their own.
    assert guardians.says("finch", shown[0], status=422).json()["errors"][0]["place"].startswith(f"{place}.0")
    browsers, form = Browsers(guardians.api), "/me/profile/edit"
    before = guardians.reads("chick").json()
    typed = {name: value for name, value in before.items() if isinstance(value, str)}
    for status, own in ((422, {**OF_CHICK, "phone": ""}), (303, OF_HERON)):
        all_rows = {f"{FIELD}.{row}.{part}": each[part] for row, each in enumerate([*shown, own]) for part in each}
        page = browsers.get("chick", form).text
        browsers.send("chick", form, page, status, **typed, **all_rows)
    assert guardians.reads("chick").json() == {**before, FIELD: [*shown, OF_HERON]}


@pytest.mark.check(33)
@pytest.mark.parametrize(
    ("login", "path"), [("heron", "{heron}"), ("finch", "{finch}/guardians/{id}"), ("chick", "me/guardians/{id}")]
)
def test_whoever_ceases_to_be_a_guardian_sees_nothing_and_takes_along_what_they_entered(
    guardians: Guardians, login: str, path: str
) -> None:
    world, api = guardians.world, guardians.api
    if login == "chick":  # of age, who ends what they agreed to
        come_of_age(world)
        world.change("update operational.guardianship set agreed = true where dependent_id = %s", world.people[CHICK])
    guardians.says("finch", OF_FINCH)
    guardians.says("heron", OF_HERON)
    of_finch = guardians.reads("finch").headers["etag"]
    tag = guardians.reads("heron").headers["etag"]
    heron = guardians.at["heron"].removeprefix("me/dependents/")
    ended = api.request("DELETE", f"/v1/{path.format(**guardians.at, id=heron)}",
                        headers=access_world.sign_in(api, login), json={"reason": "no_longer"})  # fmt: skip
    assert ended.status_code == 200, ended.text
    assert guardians.reads("heron").status_code == 404
    for body in ({FIELD: [OF_HERON]}, {FIELD: None}):
        assert edit(api, "heron", body, guardians.at["heron"], tag).status_code == 404
    assert guardians.sees("finch") == [OF_FINCH] and guardians.reads("finch").headers["etag"] == of_finch
    assert at_clinic(world, api, "north", CHICK)[FIELD] == guardians.sees("chick") == [AUNT, OF_FINCH]
    edits = api.get("/v1/me/profile/history", headers=access_world.sign_in(api, "chick")).json()["edits"]
    assert edits[0]["previous"] == {FIELD: [AUNT, OF_FINCH, OF_HERON]}


@pytest.mark.check(33)
def test_nobody_enters_any_who_ceases_to_be_a_guardian_meanwhile(guardians: Guardians) -> None:
    world = guardians.world
    with connect_admin(world.server) as ending, ThreadPoolExecutor(1) as pool:
        with ending.transaction():
            ending.execute("select from operational.person where person_id = %s for update", [world.people[CHICK]])
            entering = pool.submit(guardians.says, "heron", OF_HERON, tag="*", status=404)
            until_somebody_waits(world, ending.info.backend_pid)
            ending.execute("update operational.guardianship set ends_on = current_date - 1"
                           " where guardian_id = %s", [world.people[HERON]])  # fmt: skip
        entering.result(timeout=30)
    assert guardians.sees("chick") == CONTACTS[FIELD]


@pytest.mark.check(33)
def test_whoever_comes_of_age_has_all_of_them_and_the_guardians_none(guardians: Guardians) -> None:
    world = guardians.world
    guardians.says("finch", OF_FINCH)
    guardians.says("heron", OF_HERON)
    come_of_age(world)
    for login in ("finch", "heron"):
        assert guardians.reads(login).status_code == 404
    assert guardians.sees("chick") == [AUNT, OF_FINCH, OF_HERON]
    guardians.says("chick", OF_HERON)
    assert guardians.sees("chick") == [OF_HERON]


@pytest.mark.check(51)
def test_they_lie_sealed_with_their_authors_and_survive_a_rotation_and_so_does_the_past(guardians: Guardians) -> None:
    world, api = guardians.world, guardians.api
    guardians.says("finch", OF_FINCH)
    guardians.says("heron", OF_HERON)
    guardians.says("finch", OF_FINCH, called("Canary Kite"))
    turn(world.server, Kind.DATA)
    assert guardians.sees("heron") == [OF_HERON] and guardians.sees("finch") == [OF_FINCH, called("Canary Kite")]
    edits = api.get("/v1/me/profile/history", headers=access_world.sign_in(api, "chick")).json()["edits"]
    assert [each["previous"] for each in edits] == [
        {FIELD: [AUNT, OF_FINCH, OF_HERON]}, {FIELD: [AUNT, OF_FINCH]}, {FIELD: CONTACTS[FIELD]},
    ]  # fmt: skip
    assert {each["changed_by"] for each in edits} == {"guardian"}
    for login in ("finch", "heron"):
        own = api.get("/v1/me/profile/history", headers=access_world.sign_in(api, login))
        assert own.json() == {"edits": []}
    clear = ["Canary", *(str(world.people[name]) for name in (FINCH, HERON)), OF_FINCH["phone"], OF_HERON["phone"]]
    for (stored,) in world.look(f"{PREVIOUS} union all select {FIELD} from operational.profile"):
        assert not any(text.encode() in bytes(stored) for text in clear)


@pytest.mark.check(52)
def test_an_export_has_those_of_whom_it_is_for_and_no_author(guardians: Guardians) -> None:
    world, api = guardians.world, guardians.api
    guardians.says("finch", OF_FINCH)
    guardians.says("heron", OF_HERON)
    of_chick = world.guardianship
    for login, dependent, names in (
        ("finch", of_chick, ["Canary Lark"]), ("chick", None, [AUNT["name"], "Canary Lark", "Canary Owl"]),
    ):  # fmt: skip
        made = export(api, login, "north", dependent)
        validate(made.bundle)
        (patient,) = made.resources("Patient")
        assert [each["name"]["text"] for each in patient["contact"]] == names
        text = b"".join(made.files.values()).decode()
        assert all((name in made.page) == (name in names) for name in ("Canary Lark", "Canary Owl", AUNT["name"]))
        assert str(world.people[FINCH]) not in text and str(world.people[HERON]) not in text
    headers = {"Authorization": f"Bearer {world.keys['north.contact']}"}
    found = api.get(f"/fhir/Patient/{world.patients['north', CHICK]}", headers=headers).json()["contact"]
    assert found[0] == {"name": {"text": AUNT["name"]}} and len(found) == 3
    assert found[1]["telecom"] == [{"system": "phone", "value": OF_FINCH["phone"]}]


@pytest.mark.check(31)
def test_whoever_acts_as_a_guardian_sees_none_and_enters_none(guardians: Guardians) -> None:
    api, at = guardians.api, f"/v1/{guardians.at['finch']}/profile"
    guardians.says("finch", OF_FINCH)
    _, acting = act_as(api, "finch")
    seen = api.get(at, headers=acting)
    assert seen.status_code == 200 and FIELD not in seen.json() and "Canary Lark" not in seen.text
    for tag in (seen.headers["etag"], "*"):
        assert api.patch(at, headers={**acting, "if-match": tag}, json={FIELD: []}).status_code == 404
    assert guardians.sees("finch") == [OF_FINCH]


@pytest.mark.check(52)
def test_the_page_edits_a_guardians_own_alone(guardians: Guardians) -> None:
    browsers = Browsers(guardians.api)
    guardians.says("heron", OF_HERON)
    at = f"/{guardians.at['finch']}/profile"
    shown = browsers.get("finch", f"{at}/edit").text
    before = guardians.reads("finch").json()
    typed = {name: value for name, value in before.items() if isinstance(value, str)}
    rows = {f"{FIELD}.0.{part}": value for part, value in OF_FINCH.items()}
    guardians.says("heron", OF_HERON, OF_CHICK)  # meanwhile
    browsers.send("finch", f"{at}/edit", shown, **typed, **rows)
    pages = [browsers.get("finch", path).text for path in (at, f"{at}/edit")]
    for page in pages:
        assert "Canary Lark" in page and not any(name in page for name in ("Canary Owl", "Canary Tit", "Canary Aunt"))
    assert guardians.reads("finch").json() == {**before, FIELD: [OF_FINCH]}
    assert guardians.sees("heron") == [OF_HERON, OF_CHICK]
    # The person's own has a row for each, however many they are.
    guardians.says("finch", *[called(f"Canary {number}") for number in range(5)])
    everybodys, form = guardians.sees("chick"), "/me/profile/edit"
    all_rows = {f"{FIELD}.{row}.{part}": each[part] for row, each in enumerate(everybodys) for part in each}
    page = browsers.get("chick", form).text
    assert len(everybodys) == 8 and all(f'name="{name}"' in page for name in all_rows)
    browsers.send("chick", form, page, **{**typed, "insurance_payer": "Canary Insurance"}, **all_rows)
    assert guardians.sees("chick") == everybodys and len(guardians.sees("finch")) == 5
    typed["insurance_payer"] = "Canary Insurance"
    pages[1] = browsers.get("finch", f"{at}/edit").text
    # Taken away by leaving the rows empty.
    browsers.send("finch", f"{at}/edit", pages[1], **typed)
    assert guardians.sees("finch") is None and guardians.sees("heron") == [OF_HERON, OF_CHICK]
