"""What patients bring of another clinic to the front desk, by pages."""

import httpx
import pytest
from access_world import FINCH, WREN, Api, World
from browsing import Browsers
from exporting import export
from pages_of import fields


@pytest.mark.check(20)
@pytest.mark.check(21)
def test_at_the_desk_a_file_is_shown_and_then_kept_as_the_clinics_own(world: World, api: Api) -> None:
    browsers, made = Browsers(api), export(api, "finch", "south").archive
    desk = f"/clinics/north/patients/{world.patients['north', FINCH]}/brought"
    token = fields(browsers.get("staff.north", desk).text)["csrf"]

    def bring(content: bytes, at: str = desk, **said: str) -> httpx.Response:
        file = {"file": ("records.zip", content, "application/zip")}
        return api.post(f"{at}/bring", data={"csrf": token, **said}, files=file)

    def recorded(answer: httpx.Response) -> list[tuple[str, str]]:
        query = "select action, decision from audit.access_event where request_id = %s"
        return [(action, said) for action, said in world.look(query, answer.headers["x-request-id"])]

    assert "This is no file" in bring(b"PK--nothing").text
    assert "Choose a file." in bring(b"").text
    assert bring(made, csrf="forged").status_code == 404
    of_wren = f"/clinics/north/patients/{world.patients['north', WREN]}/brought"
    assert "Nothing tells that this file is this patient" in bring(made, of_wren).text
    shown = bring(made)
    assert shown.status_code == 200 and "Nothing is kept so far." in shown.text
    assert recorded(shown) == [("handover.preview", "permit")]
    assert "another file" in bring(made, digest="0" * 64).text
    kept = bring(made, digest=fields(shown.text)["digest"])
    assert kept.status_code == 303 and recorded(kept) == [("handover.receive", "permit")]
    listed = browsers.get("staff.north", desk)
    assert "From South" in listed.text and "Take a file in" in listed.text
    # Of another clinic it is as if the page were not there, form and all.
    at_south = f"/clinics/south/patients/{world.patients['south', FINCH]}/brought"
    browsers.get("staff.north", at_south, 404)
    assert bring(made, at_south).status_code == 404
