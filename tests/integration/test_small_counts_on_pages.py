"""Whoever may not list members sees the same on every page, and so on paper, whether three are counted or four.

The same holds for what a count leaves over of its whole: all but three, or all but four. What a manager sees is not the
same, so these pages do count what is put there.
"""

import re
from collections.abc import Iterator
from importlib.resources import files
from uuid import uuid4

import access_world
import pytest
from access_world import Api, World
from browsing import Browsers
from walking import pages

from api import accounts
from infra.database import connect_admin
from policies.access.decide import Policies
from policies.words import Role

CLINICS = ("north", "south")
PATIENTS = 40
COUNTS = (3, 4)
DIMENSIONS = {
    "age": ("65-79", "80+"), "sex": ("female", "male"), "insurance": ("public", "private"),
    "service": ("visit", "therapy"), "attendance": ("0 %", "1-24 %"), "adherence": ("0-24 %", "25-49 %"),
}  # fmt: skip
# Nobody at all may see who is in a segment; its counts are seen as before.
NO_MEMBERS = """
@id("nobody-sees-members")
forbid (principal, action in [
    Cloister::Action::"member.list", Cloister::Action::"member.reach", Cloister::Action::"segment.explain",
    Cloister::Action::"segment.undecided", Cloister::Action::"segment.preview", Cloister::Action::"segment.compare"
], resource);"""
# Parameters of the pages about a clinic as a whole, and about a segment as a whole.
ABOUT = ({"clinic"}, {"clinic", "segment"})
# Pages that count, and are there for who may not list members.
COUNTING = {
    "/clinics/{clinic}", "/clinics/{clinic}/segments", "/clinics/{clinic}/segments/{segment}/changes",
    "/clinics/{clinic}/segments/{segment}/messages", "/clinics/{clinic}/segments/{segment}/settings",
}  # fmt: skip


def count(world: World, few: int) -> None:
    """Of forty patients of each clinic so few are in one segment, and all but so few in the other; likewise for what
    they share, visits, make-up, and who entered and left.
    """
    for clinic in CLINICS:
        with connect_admin(world.server) as admin:
            admin.execute(f"set search_path = clinic_{clinic}")
            for table in ("segment_member", "segment_report", "raw_appointments", "raw_adherence"):
                admin.execute(f"delete from {table}")
            admin.execute("delete from raw_patients where name = 'Canary Crowd'")
            crowd = [uuid4() for _ in range(PATIENTS)]
            for n, patient in enumerate(crowd):
                admin.execute(
                    "insert into raw_patients (patient_id, version, name, registered_on, profile_shared)"
                    " values (%s, 1, 'Canary Crowd', '2020-01-01', %s)", [patient, n >= few],
                )  # fmt: skip
                admin.execute(
                    "insert into raw_appointments (patient_id, appointment_id, version, service, modality, status,"
                    " booked_on, starts_on) values (%s, gen_random_uuid(), 1, 'x', 'video', %s, '2025-01-01', %s)",
                    [patient, "noshow" if n < few else "fulfilled", "2026-02-10"],
                )  # fmt: skip
                admin.execute(
                    "insert into raw_appointments (patient_id, appointment_id, version, service, modality, status,"
                    " booked_on, starts_on) values (%s, gen_random_uuid(), 1, 'x', 'video', 'cancelled', '2025-01-01',"
                    " %s)", [patient, "2026-02-11" if n < few else "2025-03-01"],
                )  # fmt: skip
            few_of_them, others = crowd[:few], crowd[few:]
            for slug, members, left in (("empty", few_of_them, []), ("everybody", others, few_of_them)):
                admin.execute(
                    "insert into segment_member (segment_id, patient_id, entered_at, entered_run, version, entered_by,"
                    " fires_in, left_at, left_run, left_version, left_by, fires_out)"
                    " select %(segment)s, p, now() - interval '1 day', 1, 1, 'data', false,"
                    " case when p = any(%(left)s) then now() end, case when p = any(%(left)s) then 2 end,"
                    " case when p = any(%(left)s) then 1 end, case when p = any(%(left)s) then 'time' end,"
                    " case when p = any(%(left)s) then false end from unnest(%(all)s) as p",
                    {"segment": world.segments[clinic, slug], "all": members + left, "left": left},
                )
            for dimension, (most, least) in DIMENSIONS.items():
                admin.execute(
                    "insert into segment_report (segment_id, dimension, bucket, patients)"
                    " values (%(segment)s, %(dimension)s, %(most)s, %(all)s), (%(segment)s, %(dimension)s, %(least)s,"
                    " %(few)s)",
                    {"segment": world.segments[clinic, "everybody"], "dimension": dimension, "most": most,
                     "least": least, "all": PATIENTS - 2 * few, "few": few},
                )  # fmt: skip


# In each answer, or from a minute to the next.
NEW = re.compile(r'name="(csrf|key)" value="[^"]*"|cursor=[\w.%-]+|min="[-\d]+T[\d:]+"')


@pytest.fixture(scope="module")
def nobody_lists(world: World) -> Iterator[Browsers]:
    """The application under policies by which nobody may see who is in a segment."""
    folder = files("policies.access")
    stricter = Policies(
        "\n".join([*(each.read_text() for each in folder.iterdir() if each.name.endswith(".cedar")), NO_MEMBERS]),
        (folder / "schema.cedarschema").read_text(),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("api.services.load", lambda: stricter)
        with access_world.client(world.server) as api:
            yield Browsers(api)


@pytest.fixture(scope="module")
def as_it_is(world: World, api: Api) -> Browsers:
    """The application as it is; a member of staff at south as well."""
    accounts.add_user(world.server, "staff.south", "Staff", Role.CLINIC_STAFF, "south", access_world.PASSWORD)
    return Browsers(api)


def shown(browsers: Browsers, login: str) -> dict[tuple[str, str], str]:
    """What a login is shown at each page about its clinic, but for what is new in each answer."""
    found, clinic = {}, login.split(".")[1]
    about = (path for path in pages(browsers.api) if set(re.findall(r"{(\w+)}", path)) in ABOUT)
    for path in about:
        for segment in ("everybody", "empty"):
            answer = browsers.ask(login, path.format(clinic=clinic, segment=segment))
            if answer.status_code == 200:
                found[path, segment] = NEW.sub("", answer.text)
    return found


@pytest.mark.check(12)
@pytest.mark.parametrize("clinic", CLINICS)
def test_no_page_tells_a_small_count_or_what_it_leaves_over(
    world: World, as_it_is: Browsers, nobody_lists: Browsers, clinic: str
) -> None:
    told: dict[str, list[dict[tuple[str, str], str]]] = {"staff": [], "reader": [], "manager": []}
    for few in COUNTS:
        count(world, few)
        told["staff"].append(shown(as_it_is, f"staff.{clinic}"))
        told["reader"].append(shown(nobody_lists, f"manager.{clinic}"))
        told["manager"].append(shown(as_it_is, f"manager.{clinic}"))
    for who in ("staff", "reader"):
        three, four = told[who]
        assert three == four
    assert {path for path, _ in told["reader"][0]} >= COUNTING
    assert ("/clinics/{clinic}", "everybody") in told["staff"][0]
    assert "/clinics/{clinic}/segments/{segment}" not in {path for path, _ in told["reader"][0]}
    # Each page that counts says to a manager how many they are; one's settings count nothing but members.
    three, four = told["manager"]
    assert {
        path for path in COUNTING if any(three[path, each] != four[path, each] for each in ("everybody", "empty"))
    } == (COUNTING)


@pytest.mark.check(12)
@pytest.mark.parametrize("clinic", CLINICS)
def test_what_is_told_is_still_told(world: World, as_it_is: Browsers, nobody_lists: Browsers, clinic: str) -> None:
    count(world, COUNTS[0])
    for browsers, login in ((as_it_is, f"staff.{clinic}"), (nobody_lists, f"manager.{clinic}")):
        page = browsers.get(login, f"/clinics/{clinic}").text
        assert "told down to tens" in page and '<dd class="figure">40</dd>' in page.replace("\n", "")
