"""An auditor's pages without a browser: filters, one event, counts, rights, what is unusual, and the seal."""

import csv
import html
import io
import json
import re
from collections.abc import Iterator
from uuid import UUID, uuid4

import access_world
import pytest
from access_world import FINCH, HERON, Api, World
from impersonating import act_as, end
from pages_of import browser_sign_in, send

from tests.integration.sealing import seal_all

ONE = "/v1/clinics/north/segments/everybody/members"
NAME = "<script>alert(1)</script> & Co"


def signed_in(api: Api, login: str) -> Api:
    browser_sign_in(api, login)
    send(api, "/sign-in/code", "/sign-in/code", code=access_world.fresh_code(api.server, login))
    return api


@pytest.fixture(scope="module", autouse=True)
def looked(world: World, api: Api) -> None:
    """Both clinics' managers listed members, and a specialist was denied it."""
    for clinic in ("north", "south"):
        headers = access_world.sign_in(api, f"manager.{clinic}")
        assert api.get(ONE.replace("north", clinic), headers=headers).status_code == 200
    assert api.get(ONE, headers=access_world.sign_in(api, "specialist.north")).status_code == 404
    seal_all(world.server)


@pytest.fixture
def pages(api: Api) -> Iterator[Api]:
    """The auditor of the platform in a browser."""
    yield signed_in(api, "auditor")
    api.cookies.clear()


@pytest.fixture
def own_pages(api: Api) -> Iterator[Api]:
    """The auditor of north in a browser."""
    yield signed_in(api, "auditor.north")
    api.cookies.clear()


def got(pages: Api, path: str, **query: str) -> str:
    answer = pages.get(path, params=query or None)
    assert answer.status_code == 200, answer.text
    return answer.text


def events(page: str) -> list[str]:
    return re.findall(r'href="/audit/events/([0-9a-f-]{36})', page)


def event(world: World, clinic: str, action: str = "member.list") -> UUID:
    """The newest event of an action at a clinic."""
    ((found,), *_) = world.look(
        "select event_id from audit.access_event where action = %s and clinic_id = %s and decision = 'permit'"
        " order by occurred_at desc",
        action, world.clinic_ids[clinic],
    )  # fmt: skip
    assert isinstance(found, UUID)
    return found


def test_filters_narrow_the_log(world: World, pages: Api) -> None:
    assert len(events(got(pages, "/audit", action="member.list"))) == 3
    assert len(events(got(pages, "/audit", action="member.list", decision="deny"))) == 1
    assert len(events(got(pages, "/audit", action="member.list", clinic="south"))) == 1
    assert len(events(got(pages, "/audit", action="member.list", principal="manager.north"))) == 1
    finch = str(world.patients["north", FINCH])
    assert events(got(pages, "/audit", action="member.list", patient=finch)) == [
        str(found) for (found,) in world.look(
            "select e.event_id from audit.access_event as e where action = 'member.list' and decision = 'permit'"
            " and clinic_id = %s", world.clinic_ids["north"],
        )
    ]  # fmt: skip
    assert len(events(got(pages, "/audit", action="member.list", since="2020-01-01", until="2020-12-31"))) == 0
    assert "No access fits" in got(pages, "/audit", action="member.list", purpose="care")
    assert "No access fits" in got(pages, "/audit", action="member.list", impersonated="yes")


def test_what_was_done_in_somebodys_name_has_a_tab_of_its_own(api: Api, world: World) -> None:
    impersonation, headers = act_as(api, "finch")
    assert api.get("/v1/me/profile", headers=headers).status_code == 200
    end(api, impersonation)
    pages = signed_in(api, "auditor")
    tab = re.search(r'href="(/audit\?[^"]+)"[^>]*>Impersonations</a>', got(pages, "/audit"))
    assert tab
    page = got(pages, tab[1])
    assert 'aria-current="page">Impersonations' in page
    of_it = "select event_id::text from audit.access_event where impersonation_id = %s and action = 'person.read'"
    assert {event for (event,) in world.look(of_it, impersonation)} <= set(events(page)) and len(events(page)) >= 1
    told = world.look("select count(*) from audit.access_event where impersonation_id is null")
    assert len(events(page)) < told[0][0], "and nothing else"
    assert impersonation in got(pages, f"/audit/events/{events(page)[-1]}") or len(events(page)) > 1


def test_exports_hold_what_the_search_finds(world: World, pages: Api, api: Api) -> None:
    asked = {"action": "member.list", "decision": "permit"}
    found = set(events(got(pages, "/audit", **asked)))
    rows = list(csv.DictReader(io.StringIO(got(pages, "/audit/export.csv", **asked))))
    lines = [json.loads(line) for line in got(pages, "/audit/export.ndjson", **asked).splitlines()]
    assert len(found) == 2 and {row["event_id"] for row in rows} == {line["event_id"] for line in lines} == found
    assert {row["action"] for row in rows} == {"member.list"} == {line["action"] for line in lines}
    of_finch = [line for line in lines if str(world.patients["north", FINCH]) in json.dumps(line)]
    assert len(of_finch) == 1 and all("Canary" not in json.dumps(each) for each in (rows, lines))
    fhir = {**access_world.sign_in(api, "auditor"), "accept": "application/fhir+ndjson"}
    exported = [
        json.loads(line) for line in api.get("/v1/audit/events/export", params=asked, headers=fhir).text.splitlines()
    ]
    assert {each["id"] for each in exported} == found and {each["resourceType"] for each in exported} == {"AuditEvent"}


def test_a_wrong_filter_is_told_beside_its_field_and_nothing_is_searched(world: World, pages: Api) -> None:
    before = world.look("select count(*) from audit.access_event where action = 'audit.search'")
    answer = pages.get("/audit", params={"patient": "x&y", "since": "yesterday"})
    assert answer.status_code == 422 and 'value="x&amp;y"' in answer.text and "Nothing was searched" in answer.text
    for field in ("patient", "since"):
        assert f'id="{field}-fault" role="alert"' in answer.text
    assert world.look("select count(*) from audit.access_event where action = 'audit.search'") == before
    assert pages.get("/audit/export.csv", params={"patient": "x"}).status_code == 422


def test_a_login_that_there_is_not_is_looked_for_like_any_other(world: World, pages: Api) -> None:
    """Which logins there are is no auditor's to find out."""
    before = world.look("select count(*) from audit.access_event where action = 'audit.search'")[0][0]
    answer = pages.get("/audit", params={"principal": "nobody"})
    assert answer.status_code == 200 and "<td" not in answer.text
    assert world.look("select count(*) from audit.access_event where action = 'audit.search'")[0][0] == before + 1


@pytest.mark.check(28)
def test_one_event_is_shown_in_full_with_its_patients_and_is_an_event_itself(world: World, pages: Api) -> None:
    found = event(world, "south")
    page = got(pages, f"/audit/events/{found}")
    for patient in (FINCH, HERON):
        assert f"/audit?patient={world.patients['south', patient]}" in page
    assert "manager-reads-members-by-name" in page and "Canary" not in page
    proof = json.loads(got(pages, f"/audit/events/{found}/proof"))
    assert proof["stream"] == "access" and proof["checkpoint"]
    ((last,),) = world.look("select action from audit.access_event order by occurred_at desc, event_id desc limit 1")
    assert last == "audit.search"
    for missing in (uuid4(), "none"):
        assert pages.get(f"/audit/events/{missing}").status_code == 404
        assert pages.get(f"/audit/events/{missing}/proof").status_code == 404


@pytest.mark.check(50)
def test_a_clinics_auditor_sees_no_event_of_another(world: World, own_pages: Api, api: Api) -> None:
    assert events(got(own_pages, "/audit", action="member.list", clinic="north"))
    assert own_pages.get("/audit", params={"clinic": "south"}).status_code == 404
    found, made_up = event(world, "south"), uuid4()
    for path in ("/audit/events/{}", "/audit/events/{}/proof"):
        foreign, nothing = (own_pages.get(path.format(each)) for each in (found, made_up))
        assert foreign.status_code == nothing.status_code == 404 and foreign.text == nothing.text
    assert got(own_pages, f"/audit/events/{event(world, 'north')}")
    for path in ("/audit/counts", "/audit/rights", "/audit/unusual"):
        assert own_pages.get(path, params={"clinic": "south"}).status_code == 404
        assert "south" not in got(own_pages, path)


def test_accesses_are_counted_by_day_and_by_account(pages: Api) -> None:
    page = got(pages, "/audit/counts")
    assert "Accesses a day" in page and "manager.north" in page and "Denied a day" in page
    assert "manager.south" not in got(pages, "/audit/counts", clinic="north")
    assert "No access in these days" in got(pages, "/audit/counts", since="2020-01-01", until="2020-01-31")
    assert pages.get("/audit/counts", params={"since": "x"}).status_code == 422


def test_who_has_access_is_listed_with_when_they_used_it(pages: Api) -> None:
    page = got(pages, "/audit/rights")
    assert "manager.south" in page and "never" in page and "robot.north" in page
    assert "manager.south" not in got(pages, "/audit/rights", clinic="north")


def test_what_is_unusual_is_asked_of_a_clinic_and_a_month(world: World, pages: Api) -> None:
    assert "Choose a clinic" in got(pages, "/audit/unusual")
    page = got(pages, "/audit/unusual", clinic="north")
    assert "For the first time" in page and str(world.patients["north", FINCH]) in page and "Canary" not in page
    long = pages.get("/audit/unusual", params={"clinic": "north", "since": "2020-01-01"})
    assert long.status_code == 422 and "31 days at most" in long.text


def test_what_is_unusual_is_paged(world: World, pages: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.pages.auditor.reviews.FINDINGS_A_PAGE", 1)
    page, shown, pages_seen = got(pages, "/audit/unusual", clinic="north"), [], 0
    while True:
        shown += re.findall(r'<th scope="row"><a href="([^"]+)"', page)
        pages_seen += 1
        following = re.search(r'rel="next" href="([^"]+)"', page)
        if not following:
            break
        page = got(pages, "/audit/unusual" + html.unescape(following[1]))
        assert "First page" in page and "clinic=north" in following[1]
    assert pages_seen == len(shown) > 1


def test_the_seal_is_checked_against_a_checkpoint_that_was_kept(world: World, pages: Api) -> None:
    kept = pages.get("/audit/seal/checkpoint")
    assert kept.headers["content-type"].startswith("text/plain")
    seal_all(world.server)
    assert "adds up to the newest checkpoint" in send(pages, "/audit/seal", "/audit/seal").text
    answer = send(pages, "/audit/seal", "/audit/seal", kept=kept.text.replace("\n", "\r\n"))
    assert "nothing of those was changed" in answer.text
    size = kept.text.splitlines()[1]
    assert json.loads(got(pages, "/audit/seal/proof", **{"from": size}))["first"] == int(size)
    for wrong in ("nonsense", kept.text.replace(f"\n{size}\n", f"\n{int(size) - 1}\n")):
        answer = send(pages, "/audit/seal", "/audit/seal", kept=wrong)
        assert answer.status_code == 422 and "no checkpoint of this log" in answer.text
    assert pages.post("/audit/seal", data={"csrf": "x"}).status_code == 404


@pytest.mark.check(24)
def test_a_log_that_was_changed_past_its_walls_is_not_what_was_signed(world: World, pages: Api) -> None:
    kept = pages.get("/audit/seal/checkpoint").text
    ((index, before),) = world.look("select index, hash from audit.leaf where stream = 'access' order by index limit 1")
    changed = "update audit.leaf set hash = {} where stream = 'access' and index = %s"
    world.change("alter table audit.leaf disable trigger user")
    world.change(changed.format("sha256('x')"), index)
    try:
        assert "is not what was signed" in send(pages, "/audit/seal", "/audit/seal", kept=kept).text
    finally:
        world.change(changed.format("%s"), before, index)
        world.change("alter table audit.leaf enable trigger user")


def test_markup_in_the_names_of_accounts_is_text(world: World, pages: Api) -> None:
    world.change("update operational.principal set login = %s where login = 'manager.north'", NAME)
    try:
        for path in (
            "/audit?action=member.list",
            "/audit/counts",
            "/audit/rights",
            f"/audit/events/{event(world, 'north')}",
        ):
            page = got(pages, path)
            assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; Co" in page and "<script>alert" not in page, path
    finally:
        world.change("update operational.principal set login = 'manager.north' where login = %s", NAME)


def test_others_have_no_such_pages(api: Api) -> None:
    browser_sign_in(api, "manager.north")
    # Whether there is such an account is not said either.
    for path in ("?principal=nobody", "?principal=auditor", "?patient=x", "/counts?since=x", "/export.csv?patient=x"):
        assert api.get(f"/audit{path}").status_code == 404, path
    for path in ("", "/counts", "/rights", "/unusual?clinic=north", "/export.csv", f"/events/{uuid4()}"):
        assert api.get(f"/audit{path}").status_code == 404, path
    api.cookies.clear()
