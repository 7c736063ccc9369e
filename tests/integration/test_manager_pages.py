"""A manager's pages without a browser: what is sent is done, what is wrong is said, each look is recorded."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from uuid import UUID, uuid4

import access_world
import httpx
import pytest
from access_world import BIRTH, CONTACTS, FINCH, PHONE, WREN, Api, World
from pages_of import browser_sign_in, fields, send

from api.gateway import Access, Gateway
from api.identity.principals import Principal
from infra.database import connect_admin
from policies.segments.catalogue import CATALOGUE
from policies.words import Action

SEGMENTS = "/clinics/north/segments"
ONE = f"{SEGMENTS}/everybody"
MARKUP = "<script>alert(1)</script> & Co"
SHOWN = "&lt;script&gt;alert(1)&lt;/script&gt; &amp; Co"


@pytest.fixture
def pages(api: Api) -> Iterator[Api]:
    """A manager of north in a browser."""
    browser_sign_in(api, "manager.north")
    yield api
    api.cookies.clear()


def got(pages: Api, path: str, **query: Any) -> str:
    answer = pages.get(path, params=query or None)
    assert answer.status_code == 200, answer.text
    return answer.text


def recorded(world: World, request: str) -> dict[str, set[str]]:
    """Actions of a request, and the patients that each disclosed."""
    found: dict[str, set[str]] = {}
    for action, patient in world.look(
        "select e.action, d.patient_id::text from audit.access_event as e left join audit.disclosed as d"
        " on d.event_id = e.event_id and d.occurred_at = e.occurred_at where e.request_id = %s", request,
    ):  # fmt: skip
        found.setdefault(action, set()).update({patient} - {None})
    return found


def told(answer: httpx.Response) -> str:
    """What an alert of a page says."""
    return " ".join(re.findall(r'role="alert">([^<]*)<', answer.text))


@pytest.mark.check(21)
@pytest.mark.parametrize(
    ("path", "actions", "names"),
    [
        ("/clinics/north", {"clinic.overview"}, ()),
        (SEGMENTS, {"segment.list", "webhook.list"}, ()),
        (ONE, {"segment.read", "segment.reach", "member.list"}, (FINCH, WREN)),
        (f"{ONE}/changes", {"segment.read", "member.list"}, (FINCH, WREN)),
        (f"{ONE}/members.csv", {"member.list"}, (FINCH, WREN)),
        (f"{ONE}/members.ndjson", {"member.list"}, (FINCH, WREN)),
        (f"{ONE}/settings", {"segment.read", "webhook.list"}, ()),
        (f"{SEGMENTS}/elders/undecided", {"segment.undecided", "segment.read"}, (WREN,)),
        (
            f"{SEGMENTS}/elders/edit",
            {"segment.read", "segment.preview", "segment.list", "segment.vocabulary"},
            (FINCH,),
        ),
        (f"{SEGMENTS}/new", {"segment.list", "segment.vocabulary"}, ()),
    ],
)
def test_each_page_leaves_its_events_and_names_whom_it_shows(
    world: World, pages: Api, path: str, actions: set[str], names: tuple[str, ...]
) -> None:
    answer = pages.get(path)
    assert answer.status_code == 200, answer.text
    found = recorded(world, answer.headers["x-request-id"])
    assert set(found) == actions
    assert set().union(*found.values()) == {str(world.patients["north", name]) for name in names}
    assert [name for name in (FINCH, WREN) if name in answer.text] == list(names)


def test_who_entered_and_left_is_told_by_name_from_the_newest_back(
    world: World, pages: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.pages.manager.segments.MEMBERS_A_PAGE", 1)
    finch, wren = (world.patients["north", name] for name in (FINCH, WREN))
    stays, of = "clinic_north.segment_member", (world.segments["north", "everybody"], finch)
    now = datetime.now(UTC)
    world.change(
        f"update {stays} set left_at = %s, left_run = 2, left_by = 'time', left_version = 1, fires_out = false"
        " where segment_id = %s and patient_id = %s", now - timedelta(days=1), *of,
    )  # fmt: skip
    try:
        seen, path = [], f"{ONE}/changes"
        while path:
            answer = pages.get(path)
            page = answer.text
            row = re.search(
                r'<th scope="row"><a href="[^"]*/patients/([^"]+)">.*?<td>(\w+)</td><td>([^<]+)<', page, re.S
            )
            assert row and recorded(world, answer.headers["x-request-id"])["member.list"] == {row[1]}
            seen.append((UUID(row[1]), *row.groups()[1:]))
            following = re.search(r'rel="next" href="([^"]+)"', page)
            path = f"{ONE}/changes{unescape(following[1])}" if following else ""
            if following:
                assert pages.get(f"{SEGMENTS}/elders/changes{unescape(following[1])}").status_code == 404
        entered = sorted([(finch, "Entered", "by new data"), (wren, "Entered", "by new data")], reverse=True)
        assert seen == [(finch, "Left", "by time alone"), *entered]
    finally:
        world.change(
            f"update {stays} set left_at = null, left_run = null, left_by = null, left_version = null,"
            " fires_out = null where segment_id = %s and patient_id = %s", *of,
        )  # fmt: skip


@pytest.mark.check(49)
def test_whoever_withdrew_is_not_among_who_entered_where_that_tells_of_a_profile(world: World, pages: Api) -> None:
    world.consent("north", FINCH, "revoked")
    try:
        assert FINCH not in got(pages, f"{SEGMENTS}/elders/changes")
        assert FINCH in got(pages, f"{ONE}/changes")
    finally:
        world.consent("north", FINCH)


def test_who_may_not_list_members_sees_days_in_round_numbers_and_nobody(
    pages: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    permits = Gateway.permits

    def without_names(gateway: Gateway, principal: Principal, access: Access) -> bool:
        return access.action is not Action.MEMBER_LIST and permits(gateway, principal, access)

    monkeypatch.setattr(Gateway, "permits", without_names)
    page = got(pages, f"{ONE}/changes")
    assert FINCH not in page and "Who entered and left" not in page and "told down to tens" in page


def test_a_segments_page_reads_the_segment_once(world: World, pages: Api) -> None:
    request = pages.get(ONE).headers["x-request-id"]
    actions = world.look("select action from audit.access_event where request_id = %s order by action", request)
    assert actions == [("member.list",), ("segment.reach",), ("segment.read",)]


@pytest.mark.check(21)
def test_why_somebody_is_a_member_is_explained_and_recorded(world: World, pages: Api) -> None:
    answer = pages.get(f"{SEGMENTS}/elders/patients/{world.patients['north', FINCH]}")
    assert answer.status_code == 200 and "A member of Elders since" in answer.text
    assert "age &gt; 65" in answer.text and "holds" in answer.text
    found = recorded(world, answer.headers["x-request-id"])
    assert found["segment.explain"] == {str(world.patients["north", FINCH])}
    assert pages.get(f"{SEGMENTS}/elders/patients/{uuid4()}").status_code == 404


def test_members_are_found_by_a_part_of_their_name_which_no_address_holds(world: World, pages: Api) -> None:
    for named in ("nary FIN", "nary FI\u200cN"):
        found = send(pages, f"{ONE}/find", ONE, named=named)
        assert found.status_code == 200 and FINCH in found.text and WREN not in found.text
    assert recorded(world, found.headers["x-request-id"])["member.list"] == {str(world.patients["north", FINCH])}
    assert "No member of this segment has such a name" in send(pages, f"{ONE}/find", ONE, named="%").text
    assert pages.post(f"{ONE}/find", data={"csrf": "x", "named": "a"}).status_code == 404


@pytest.mark.check(12)
def test_nobody_is_found_by_anything_but_a_name(world: World, pages: Api) -> None:
    """Not even by what Finch shares with the clinic, and its mart holds."""
    mart, patient = "clinic_north.raw_patients", world.patients["north", FINCH]
    told = {"sex": "female", "blood_type": "AB+", "insurance_type": "public", "external_id": "H-20501"}
    world.change(
        f"update {mart} set {', '.join(f'{column} = %s' for column in told)}, chronic_conditions = '{{asthma}}',"
        " allergies = '{nuts}' where patient_id = %s", *told.values(), patient,
    )  # fmt: skip
    ((held,),) = world.look(f"select p::text from {mart} as p where patient_id = %s", patient)
    known = [BIRTH, BIRTH[:4], "asthma", "nuts", *told.values()]
    assert [value for value in known if value not in held] == []
    for value in (*known, *CONTACTS.values(), PHONE[-5:], str(patient)):
        found = send(pages, f"{ONE}/find", ONE, named=value)
        assert FINCH not in found.text and "No member of this segment has such a name" in found.text, value
    assert FINCH in send(pages, f"{ONE}/find", ONE, named=FINCH).text


def test_members_come_by_the_page_and_so_does_what_a_search_finds(pages: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.pages.manager.segments.MEMBERS_A_PAGE", 1)
    first = got(pages, ONE)
    following = re.search(r'rel="next" href="([^"]+)"', first)
    assert following
    second = got(pages, ONE + unescape(following[1]).partition("#")[0])
    named = [[name for name in (FINCH, WREN) if name in page] for page in (first, second)]
    assert sorted(named) == [[FINCH], [WREN]] and 'rel="next"' not in second and "First page" in second
    found = send(pages, f"{ONE}/find", ONE, named="canary").text
    cursor = re.search(r'name="cursor" value="([^"]+)"><button>Next page', found)
    assert cursor
    after = send(pages, f"{ONE}/find", ONE, named="canary", cursor=unescape(cursor[1])).text
    assert sorted([name for name in (FINCH, WREN) if name in page] for page in (found, after)) == [[FINCH], [WREN]]


def test_a_clinic_at_a_glance_says_its_numbers_and_of_when_they_are(pages: Api) -> None:
    page = re.sub(r"\s+", " ", got(pages, "/clinics/north"))
    tiles = dict(re.findall(r"<dt>([^<]+)</dt><dd class=\"figure\">([^<]+)</dd>", page))
    assert tiles["Patients"] == "2" and re.fullmatch(r"50\s%", tiles["Share their profile"])
    assert "1 of 2" in page and {"No-show rate", "Treatment adherence"} < set(tiles)
    assert re.search(r'class="fresh">As of 4 March 2026 · updated <time datetime="20', page)


def test_a_segments_page_compares_periods_and_draws_the_days_between(world: World, pages: Api) -> None:
    world.change("update clinic_north.segment_member set entered_at = now() - interval '3 days' where patient_id = %s",
                 world.patients["north", WREN])  # fmt: skip
    try:
        page = got(pages, ONE)
        row = r'<th scope="row">{}</th><td class="num">(.+?)</td><td class="num">(.+?)</td></tr>'
        rows = {
            title: re.search(row.format(title), re.sub(r"\n\s*", "", page))
            for title in ("Members at the end", "Change")
        }
        assert {title: found and found.groups() for title, found in rows.items()} == {
            "Members at the end": ("2", "1"), "Change": ("+1", "±0"),
        }  # fmt: skip
        assert "Members, last 60 days" in page and "by new data" in page
    finally:
        world.change("update clinic_north.segment_member set entered_at = '2026-01-01'")


def test_a_segments_make_up_is_drawn_by_each_dimension(world: World, pages: Api) -> None:
    made = {"insurance": "private", "service": "Massage", "adherence": "50-74"}
    for dimension, bucket in made.items():
        world.change("insert into clinic_north.segment_report (segment_id, dimension, bucket, patients)"
                     " values (%s, %s, %s, 2)", world.segments["north", "everybody"], dimension, bucket)  # fmt: skip
    try:
        page = got(pages, ONE)
        for title in ("Age", "Insurance", "Service of the last visit", "Missed visits", "Plan followed, last 30 days"):
            assert re.search(rf"<figcaption[^>]*>\s*[^<]*{title}|<title[^>]*>[^<]*{title}", page), title
        assert "Massage: 2 (100 %)" in page.replace("\u202f", " ").replace("\xa0", " ")
    finally:
        world.change("delete from clinic_north.segment_report where dimension = any(%s)", list(made))


def test_whom_a_message_reaches_and_why_not_others_is_said(pages: Api) -> None:
    page = re.sub(r">\s+<", "><", got(pages, ONE))
    assert "<dt>By their own email</dt><dd>0</dd>" in page and "Whom it does not reach" in page
    assert "<dt>Do not share their profile</dt><dd>1</dd>" in page


def test_a_webhook_is_set_up_and_its_secret_shown_once(world: World, pages: Api) -> None:
    hooks, elders = "/clinics/north/webhooks", str(world.segments["north", "elders"])
    wrong = send(pages, hooks, hooks, url="http://93.184.215.14/hook", kinds="entered")
    assert wrong.status_code == 422 and told(wrong) and 'value="http://93.184.215.14/hook"' in wrong.text
    made = send(pages, hooks, hooks, url="https://93.184.215.14/hook", kinds="entered", chosen=elders)
    secret = re.search(r"whsec_[\w+/=]+", made.text)
    assert made.status_code == 200 and secret
    listed = got(pages, hooks)
    one = re.search(r'href="(/clinics/north/webhooks/[^"]+)">https://93\.184\.215\.14/hook', listed)
    assert one and secret[0] not in listed + got(pages, one[1]) and "Elders" in got(pages, one[1])


def test_the_builder_starts_from_the_templates_of_the_catalogue(pages: Api, manager: dict[str, str]) -> None:
    new = f"{SEGMENTS}/new"
    offered = re.findall(rf'href="{new}\?template=([^"]+)"', got(pages, new))
    known = pages.get("/v1/segments/templates", headers=manager).json()["templates"]
    assert offered == [each["template"] for each in known] and offered
    for each in known:
        page = got(pages, new, template=each["template"])
        assert f'name="slug" type="text" value="{each["template"]}"' in page and 'id="preview"' in page


def test_the_builder_offers_each_measure_of_the_catalogue_and_no_other(pages: Api) -> None:
    new = f"{SEGMENTS}/new"
    offered = re.search(r'name="r\.0\.measure".*?</select>', send(pages, new, new, **ROWS).text, re.DOTALL)
    assert offered
    assert re.findall(r'<option value="([^"]+)"', offered[0]) == list(CATALOGUE)


def test_markup_in_names_and_rules_is_text_on_every_page(world: World, pages: Api) -> None:
    with connect_admin(world.server) as admin:
        admin.execute("update clinic_north.raw_patients set name = %s where name = %s", [f"Canary {MARKUP}", WREN])
        admin.execute(
            "update clinic_north.segment set name = %s, description = %s where slug = 'everybody'", [MARKUP, MARKUP]
        )
    try:
        for path in (
            "/clinics/north", SEGMENTS, ONE, f"{ONE}/settings", f"{ONE}/undecided", f"{ONE}/edit", f"{ONE}/messages",
            f"{SEGMENTS}/elders/undecided", f"{ONE}/patients/{world.patients['north', WREN]}",
        ):  # fmt: skip
            page = got(pages, path)
            assert SHOWN in page and "<script>alert" not in page, path
        page = send(pages, f"{SEGMENTS}/new", f"{SEGMENTS}/new", text=f'sex = "{MARKUP}"', name=MARKUP, do="text").text
        assert SHOWN in page and "<script>alert" not in page
    finally:
        with connect_admin(world.server) as admin:
            admin.execute("update clinic_north.raw_patients set name = %s where name like %s", [WREN, "Canary <%"])
            admin.execute(
                "update clinic_north.segment set name = 'Everybody', description = '' where slug = 'everybody'"
            )


ROWS = {"r.kind": "any", "r.0.measure": "age", "r.0.op": ">", "r.0.value": "80"}


def test_a_rule_is_built_previewed_saved_and_compared_by_name_before_it_changes(world: World, pages: Api) -> None:
    new = f"{SEGMENTS}/new"
    page = send(pages, new, new, **ROWS, do="add r").text
    assert 'name="r.1.measure"' in page and 'value="80"' in page
    page = send(pages, new, new, **ROWS, do="preview").text
    assert FINCH in page and "of 2 patients" in page and ">age &gt; 80</textarea>" in page
    words = {"name": "Very old", "slug": "very-old", "description": "So old."}
    answer = send(pages, new, new, **ROWS, **words, do="save")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{SEGMENTS}/very-old")
    answer = send(pages, new, new, **ROWS, **words, do="save")
    assert answer.status_code == 422 and "this short name already" in told(answer) and "So old." in answer.text

    edit = f"{SEGMENTS}/very-old/edit"
    more = {"r.1.measure": "registration.days", "r.1.op": ">=", "r.1.value": "0"}
    tag = fields(got(pages, edit))["tag"].replace("&#34;", '"')
    answer = send(pages, edit, edit, **ROWS, **more, tag=tag, do="review")
    assert answer.status_code == 200 and WREN in answer.text and "Would enter" in answer.text
    assert recorded(world, answer.headers["x-request-id"])["segment.compare"] == {str(world.patients["north", WREN])}
    held = json.dumps({
        "any": [
            {"measure": "age", "op": ">", "value": 80},
            {"measure": "registration.days", "op": ">=", "value": 0},
        ]
    })  # fmt: skip
    assert held.replace('"', "&#34;").replace(">", "&gt;") in answer.text
    back = send(pages, edit, edit, rule=held, tag=tag, do="back")
    assert 'name="r.1.measure"' in back.text
    answer = send(pages, edit, edit, rule=held, tag=tag, do="save")
    assert answer.status_code == 303
    stale = send(pages, edit, edit, rule=held.replace("80", "81"), tag=tag, do="save")
    assert stale.status_code == 422 and "changed it meanwhile" in told(stale)
    settings = got(pages, f"{SEGMENTS}/very-old/settings")
    assert settings.count("<td>manager.north</td>") == 2 and "age &gt; 80 or registration.days &gt;= 0" in settings


def test_a_rule_that_was_kept_before_its_limit_is_shown_and_refused_where_it_would_be_kept_again(
    world: World, pages: Api
) -> None:
    new, edit = f"{SEGMENTS}/new", f"{SEGMENTS}/long/edit"
    words = {"name": "Long", "slug": "long", "description": ""}
    assert send(pages, new, new, **ROWS, **words, do="save").status_code == 303
    long = {"any": [{"measure": "age", "op": "in", "value": [*range(1000)]}] * 5}
    world.change(
        "insert into clinic_north.segment_version (segment_id, version, rule, created_at, profile_dependent, fires)"
        " select segment_id, 2, %s, now(), true, false from clinic_north.segment where slug = 'long'",
        json.dumps(long),
    )
    world.change("update clinic_north.segment set version = 2 where slug = 'long'")
    page = got(pages, edit)
    assert "has more than 5000 words and signs, written as a text" in page and "998" in page
    answer = send(pages, edit, edit, rule=json.dumps(long), tag=fields(page)["tag"].replace("&#34;", '"'), do="save")
    assert answer.status_code == 422
    assert "997, 998, 999] or age in" in got(pages, f"{SEGMENTS}/long/settings")


def test_what_is_no_rule_yet_is_kept_as_typed_and_said(pages: Api) -> None:
    new = f"{SEGMENTS}/new"
    page = send(pages, new, new, **{**ROWS, "r.0.value": "many"}, do="preview")
    assert page.status_code == 200 and 'value="many"' in page.text and told(page)
    page = send(pages, new, new, text="age >", **ROWS, do="text")
    assert "age &gt;" in page.text and "line 1" in told(page)
    page = send(pages, new, new, **{**ROWS, "r.0.value": ""}, do="preview")
    assert "A value is still to be typed." in page.text
    for wanted, has_rows in (("all", True), ("preview", False)):
        live = send(pages, new, new, **ROWS, do="", live=wanted).text
        assert "<html" not in live and 'id="preview"' in live and FINCH in live
        assert ('id="tree"' in live) is has_rows


def test_a_segment_is_renamed_duplicated_archived_and_had_back(pages: Api) -> None:
    new = f"{SEGMENTS}/new"
    send(pages, new, new, **ROWS, name="Old", slug="old", do="save")
    settings = f"{SEGMENTS}/old/settings"
    tag = fields(got(pages, settings))["tag"].replace("&#34;", '"')
    assert send(pages, settings, settings, name="Older", description="x", tag=tag).status_code == 303
    stale = send(pages, settings, settings, name="Other", tag=tag)
    assert stale.status_code == 422 and 'value="Other"' in stale.text and "meanwhile" in told(stale)
    copy = send(pages, f"{SEGMENTS}/old/duplicate", settings, name="Copy", slug="Not One")
    assert copy.status_code == 422 and 'value="Not One"' in copy.text and told(copy)
    assert send(pages, f"{SEGMENTS}/old/duplicate", settings, name="Copy", slug="old-copy").status_code == 303
    naming = {"r.kind": "all", "r.0.kind": "in_segment", "r.0.segment": "old"}
    send(pages, new, new, **naming, name="Names it", slug="names-old", do="save")
    assert "names-old" in got(pages, settings)
    refused = send(pages, f"{SEGMENTS}/old/archive", settings, reason="replaced")
    assert refused.status_code == 422
    assert send(pages, f"{SEGMENTS}/names-old/archive", settings, reason="mistake").status_code == 303
    assert send(pages, f"{SEGMENTS}/old/archive", settings, reason="replaced").status_code == 303
    assert "Archived by manager.north" in got(pages, f"{SEGMENTS}/old")
    assert "Older" in got(pages, SEGMENTS, archived="1") and "Older" not in got(pages, SEGMENTS)
    assert send(pages, f"{SEGMENTS}/old/revive", f"{SEGMENTS}/old", stored="yes").status_code == 303
    assert "Older" in got(pages, SEGMENTS)


def test_what_would_decide_is_asked_for_from_the_worklist(world: World, pages: Api) -> None:
    undecided = f"{SEGMENTS}/elders/undecided"
    asking = f"{undecided}/{world.patients['north', WREN]}"
    for said in ("asked=consent", "asked=already"):
        answer = send(pages, asking, undecided)
        assert answer.status_code == 303 and answer.headers["location"] == f"{undecided}?{said}"
    assert "asked to sign" in got(pages, undecided, asked="consent")
    assert send(pages, asking, undecided, form="no-such-form").headers["location"].endswith("asked=none")
    assert send(pages, f"{undecided}/{world.patients['south', FINCH]}", undecided).status_code == 404
    manager = access_world.sign_in(pages, "manager.north")
    questions = [{"id": "q", "type": "text", "text": "Q"}]
    asked = {"title": "Asked for", "questions": questions}
    assert pages.post("/v1/clinics/north/templates/asked/versions", json=asked, headers=manager).status_code == 201
    answer = send(pages, asking, undecided, form="asked")
    assert answer.headers["location"] == f"{undecided}?asked=form"
    assert re.search(r'role="status">[^<]*form', got(pages, undecided, asked="form"))
    given = "select status from operational.form where patient_id = %s and template = 'asked'"
    assert world.look(given, world.patients["north", WREN]) == [("pending",)]


def test_a_form_of_another_session_changes_nothing(pages: Api) -> None:
    for path in (f"{ONE}/settings", f"{ONE}/archive", f"{ONE}/duplicate", f"{ONE}/edit", f"{SEGMENTS}/new"):
        assert pages.post(path, data={"csrf": "x", "name": "y", "slug": "y", "do": "save"}).status_code == 404
