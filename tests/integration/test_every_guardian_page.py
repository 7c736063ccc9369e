"""Check 52 on every page that a guardian has: what is hidden is on none, in no file, and nothing is done to it.

The pages are the application's own, so that a new one is walked over by itself.
"""

import io
import zipfile
from collections.abc import Iterator

import httpx
import pytest
from access_world import CHICK, Api, World
from browsing import Browsers
from furnishing import HUSH, OF_CHICK, House, furnish, read_by_specialist
from pages_of import fields
from walking import pages

from tests.integration.sealing import seal_all
from tests.integration.test_routes_by_roles import routes
from tests.integration.things import filled

DOWNLOAD = f"{OF_CHICK}/data/{{clinic}}"
# Pages of one thing that is hidden, and what becomes of it.
OF_ONE = {f"{OF_CHICK}/forms/{{form}}", f"{OF_CHICK}/appointments/{{appointment}}/video"}
# Which texts of Chick's there are, by their kind, wherever they stand.
TEXTS = {"forms": ("form", "question", "answer"), "plans": ("plan", "bridge"), "appointments": ("service",)}
AUNT = "Canary Aunt"
Answers = dict[str, httpx.Response]


@pytest.fixture(scope="module")
def house(world: World, api: Api) -> House:
    return furnish(world, api)


@pytest.fixture(scope="module")
def browsers(api: Api) -> Browsers:
    return Browsers(api)


@pytest.fixture
def hidden(house: House) -> Iterator[None]:
    for kind, item in house.hideable.items():
        house.family.done("chick", "POST", f"/me/{kind}/{item}/confidential")
    yield
    for kind, item in house.hideable.items():
        house.family.done("chick", "POST", f"/me/{kind}/{item}/confidential", {"confidential": False})


def walked(house: House, browsers: Browsers, login: str, whose: str) -> Answers:
    """Every page of a login's own and of Chick's, who is found at `whose`, and the file to take along."""
    at_chick, token = filled(house.world, OF_CHICK), fields(browsers.get(login, f"{whose}/data").text)["csrf"]
    found = {}
    for path in [*pages(house.api), DOWNLOAD]:
        if path.startswith(("/me/", OF_CHICK)) or path == "/me":
            address = filled(house.world, path).replace(at_chick, whose)
            method, data = ("POST", {"csrf": token}) if path == DOWNLOAD else ("GET", None)
            found[path] = browsers.api.request(method, address, data=data, headers={"accept": "text/html"})
    return found


def told(answer: httpx.Response) -> str:
    """What an answer tells: of an archive all that is packed in it, of one that leads on also where to."""
    if answer.headers.get("content-type") == "application/zip":
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            return "\n".join(archive.read(name).decode(errors="replace") for name in archive.namelist())
    return answer.text + answer.headers.get("location", "")


def tell(answers: Answers, text: str) -> set[str]:
    """The pages that tell of a text."""
    return {path for path, answer in answers.items() if text.lower() in told(answer).lower()}


@pytest.mark.check(52)
def test_what_is_not_hidden_is_told_or_its_absence_would_prove_nothing(house: House, browsers: Browsers) -> None:
    answers = walked(house, browsers, "finch", house.family.of_chick)
    for kind, texts in TEXTS.items():
        for text in texts:
            assert tell(answers, f"{HUSH} {text}"), (kind, text)
        assert tell(answers, house.hideable[kind]), kind
    assert DOWNLOAD in tell(answers, f"{HUSH} answer") & tell(answers, f"{HUSH} plan")
    assert len(answers) > 35 and {answer.status_code for answer in answers.values()} == {200, 409}
    assert HUSH in browsers.get("wren", "/me/account").text, "another guardian's contact"


@pytest.mark.check(52)
@pytest.mark.usefixtures("hidden")
def test_no_page_and_no_file_of_a_guardian_tells_of_what_is_hidden(house: House, browsers: Browsers) -> None:
    answers = walked(house, browsers, "finch", house.family.of_chick)
    for text in (HUSH, *house.hideable.values()):
        assert tell(answers, text) == set()
    assert {path for path, answer in answers.items() if answer.status_code == 404} == OF_ONE
    of_chick = {path: answer for path, answer in answers.items() if path.startswith(OF_CHICK)}
    assert tell(of_chick, AUNT) == set() and len(of_chick) > 15
    own = walked(house, browsers, "chick", "/me")
    for text in (*(f"{HUSH} {text}" for texts in TEXTS.values() for text in texts), f"{HUSH} clinic", AUNT):
        assert tell(own, text), f"nothing is hidden from Chick: {text}"


@pytest.mark.check(52)
@pytest.mark.usefixtures("hidden")
def test_a_guardian_learns_of_no_access_to_what_is_hidden(house: House, browsers: Browsers) -> None:
    event = read_by_specialist(house, f"forms/{house.hideable['forms']}")
    seal_all(house.world.server)
    listed, proof = f"{house.family.of_chick}/accesses", f"/accesses/{event}/proof"
    assert str(event) not in browsers.get("finch", listed).text
    browsers.get("finch", house.family.of_chick + proof, 404)
    assert str(event) in browsers.get("chick", "/me/accesses").text
    browsers.get("chick", f"/me{proof}")


@pytest.mark.check(52)
@pytest.mark.usefixtures("hidden")
def test_no_form_of_a_guardians_pages_reaches_what_is_hidden(house: House, browsers: Browsers) -> None:
    """Each that there is is sent, about what is hidden: nothing of it is told, and nothing became of it."""
    world, rows = house.world, "select to_jsonb(t)::text from operational.{} as t where patient_id = %s order by 1"
    tables = ("form", "form_answer", "treatment_plan", "exercise_done", "appointment")

    def kept() -> list[object]:
        return [world.look(rows.format(table), world.patients["north", CHICK]) for table in tables]

    before, token = kept(), fields(browsers.get("finch", f"{house.family.of_chick}/data").text)["csrf"]
    sent = {"csrf": token, "do": "complete", "answer.q": "x", "times": "1", "clinic": "north",
            "starts_at": "2031-01-01T10:00"}  # fmt: skip
    paths = [path for method, path in routes(house.api) if method == "POST" and path.startswith(OF_CHICK)]
    answers = {path: browsers.api.post(filled(world, path), data=sent) for path in paths}
    assert tell(answers, HUSH) == set() and kept() == before
    of_one = [path for path in paths if any(f"{{{kind}}}" in path for kind in ("form", "plan", "appointment"))]
    assert len(of_one) >= 4
    for path in of_one:
        assert answers[path].status_code == 404, path
