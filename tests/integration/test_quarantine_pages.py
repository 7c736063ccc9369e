"""A row of the quarantine that an admin asks for on the page comes in by the next import, and waits no more."""

import re
from pathlib import Path

import pytest
from access_world import Api, World
from browsing import Browsers
from test_importing import MAPPING, PATIENTS, VISITS

from infra.encryption.keyring import FileKeyring
from infra.settings import Mode
from orchestration.importing.again import Trying
from orchestration.importing.asked import try_asked
from orchestration.importing.run import Report
from tests.integration.importing import bring

HEAD, *ROWS = VISITS.splitlines(keepends=True)
ONE_OF_NORTH, OF_NOBODY, ONE_OF_SOUTH = ROWS[0], ROWS[2], ROWS[6]


@pytest.fixture(scope="module")
def imported(world: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Visits that came before their patients, at both clinics, and one of a patient who never came."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "visits.csv").write_text(HEAD + ONE_OF_NORTH + OF_NOBODY + ONE_OF_SOUTH)
    (folder / "patients.csv").write_text(PATIENTS.format(canary="+493023125042"))
    bring(world.server, MAPPING, folder / "visits.csv")
    bring(world.server, MAPPING, folder / "patients.csv")
    return world


def import_what_was_asked_for(world: World) -> list[Report]:
    """What the live worker does every two seconds."""
    return try_asked(world.server, Trying(FileKeyring(world.server.secrets_folder / "keyring.json"), Mode.DEMO))


def visits(world: World) -> list[tuple[object, ...]]:
    """What came in of these files: clinic and visit."""
    return world.look(
        "select c.slug, a.source_id from operational.appointment as a inner join operational.clinic as c"
        " using (clinic_id) where a.source_id like 'v%%' order by 1"
    )


def rows_shown(page: str) -> dict[str, str]:
    """Rows of `visits.csv` that wait by line: the entry that its button names, or that it was asked for."""
    found = {}
    for row in re.findall(r"<tr><th scope=\"row\">visits\.csv: .*?</tr>", page.partition('id="came-in"')[0], re.S):
        (line,), button = re.findall(r"visits\.csv: (\d+)", row), re.search(r'name="entry" value="([^"]+)"', row)
        found[line] = button[1] if button else "asked for"
    return found


def came_in(page: str) -> list[str]:
    """What a page says has come in after all."""
    return re.findall(r"<th scope=\"row\">([^<]+)<br>", page.partition('id="came-in"')[2])


@pytest.mark.check(43)
def test_a_row_that_is_asked_for_on_the_page_comes_in_and_waits_no_more(imported: World, api: Api) -> None:
    browsers = Browsers(api)
    at = {clinic: f"/clinics/{clinic}/quarantine" for clinic in ("north", "south")}

    def shown(clinic: str) -> dict[str, str]:
        return rows_shown(browsers.get("admin", at[clinic]).text)

    assert visits(imported) == []
    assert (set(shown("north")), set(shown("south"))) == ({"2", "3"}, {"4"})
    of_south = shown("south")["4"]
    # Another clinic's row is none.
    browsers.post("admin", f"{at['north']}/retry", at["north"], 404, entry=of_south)
    for line in ("2", "3"):
        browsers.post("admin", f"{at['north']}/retry", at["north"], entry=shown("north")[line])
    assert shown("north") == {"2": "asked for", "3": "asked for"} and shown("south") == {"4": of_south}
    (done,) = import_what_was_asked_for(imported)
    assert (done.read, done.refused) == (2, 1)
    # One is in and waits no more; the other waits as before, to be asked for again.
    assert visits(imported) == [("north", "v1")]
    assert set(shown("north")) == {"3"} and shown("north")["3"] != "asked for"
    page = browsers.get("admin", at["north"]).text
    assert "and refused still" in page and "source_id: is no patient of this clinic" in page
    assert came_in(page) == ["visits.csv: 2"] and came_in(browsers.get("admin", at["south"]).text) == []
    assert shown("south") == {"4": of_south}
    browsers.post("admin", f"{at['south']}/retry", at["south"], entry=of_south)
    import_what_was_asked_for(imported)
    assert visits(imported) == [("north", "v1"), ("south", "v1")] and shown("south") == {}
    assert came_in(browsers.get("admin", at["south"]).text) == ["visits.csv: 4"]
    # What has come in long ago is told no more; what could not be tried, with the reason.
    imported.change("update operational.quarantine set resolved_at = resolved_at - interval '8 days' where line = 4")
    assert came_in(browsers.get("admin", at["south"]).text) == []
    imported.change("update operational.quarantine set trouble = '<b>no</b> mapping' where line = 3")
    assert "Could not be tried: &lt;b&gt;no&lt;/b&gt; mapping" in " ".join(
        browsers.get("admin", at["north"]).text.split()
    )
    assert import_what_was_asked_for(imported) == []
    browsers.post("admin", f"{at['south']}/retry", at["south"], 404, entry=of_south)
    closed = "select line, resolved_at is not null from operational.quarantine where file = 'visits.csv' order by 1"
    assert imported.look(closed) == [(2, True), (3, False), (4, True)]
    asked = (
        "select c.slug, count(*) from audit.access_event as e inner join operational.clinic as c using (clinic_id)"
        " where action = 'quarantine.retry' and decision = 'permit' group by 1 order by 1"
    )
    assert imported.look(asked) == [("north", 2), ("south", 1)]


def test_a_row_that_was_tried_in_vain_and_came_with_its_file_did_not_come_in_by_being_tried(
    imported: World, api: Api, tmp_path: Path
) -> None:
    browsers, at = Browsers(api), "/clinics/north/quarantine"
    if (entry := rows_shown(browsers.get("admin", at).text)["3"]) != "asked for":
        browsers.post("admin", f"{at}/retry", at, entry=entry)
    import_what_was_asked_for(imported)
    before = came_in(browsers.get("admin", at).text)
    (tmp_path / "visits.csv").write_text(HEAD + OF_NOBODY.replace(",9,", ",1,"))
    bring(imported.server, MAPPING, tmp_path / "visits.csv")
    page = browsers.get("admin", at).text
    tried = "select tried_at is not null from operational.quarantine where file = 'visits.csv' and line = 3"
    assert rows_shown(page) == {} and came_in(page) == before
    assert imported.look(tried) == [(True,)]
