"""Bad input gets a clear answer, whatever the route: the routes are the application's own, not a list."""

import asyncio
import json
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from threading import Event
from typing import Any
from uuid import uuid4

import access_world
import httpx
import pytest
from access_world import PASSWORD, Api, World
from fastapi.routing import iter_route_contexts
from pages_of import browser_sign_in, fields

from api.guard import DEEPEST_JSON, LARGEST_BODY
from api.identity import passwords
from api.limits import Rates
from infra.database import connect_admin
from infra.settings import settings

FORM = {"content-type": "application/x-www-form-urlencoded"}
JSON = {"content-type": "application/json"}
NUL, RIGHT_TO_LEFT = "%00", "%E2%80%AE"


def routes(api: Api) -> list[tuple[str, str]]:
    """Every method and path of the application, parameters filled in."""
    found = [
        (method, (context.path or "").replace("{clinic}", "north").replace("{segment}", "everybody"))
        for context in iter_route_contexts(api.app.routes)
        for method in context.methods or ("GET",)
        if method != "HEAD"  # GET without a body
    ]
    assert len(found) > 20
    return [*found, ("GET", "/static/cloister.css"), ("GET", "/static/nothing"), ("GET", "/nothing"), ("PUT", "/")]


@pytest.fixture
def callers(api: Api) -> list[dict[str, str]]:
    """Nobody; a bearer of the API; a session of the pages."""
    session = browser_sign_in(api, "manager.north")
    api.cookies.clear()
    return [{}, access_world.sign_in(api, "manager.north"), {"cookie": f"cloister_session={session}"}]


def is_problem(answer: httpx.Response, status: int) -> bool:
    if answer.url.path.startswith("/fhir/"):
        said = answer.json()
        return answer.status_code == status and set(said) == {"resourceType", "issue"} and len(said["issue"]) > 0
    body = answer.json() if answer.headers["content-type"] == "application/problem+json" else {}
    return answer.status_code == body.get("status") == status and set(body) <= {"type", "title", "status", "errors"}


def test_every_answer_of_every_route_has_the_security_headers(api: Api, callers: list[dict[str, str]]) -> None:
    for headers in callers:
        for method, path in routes(api):
            answer = api.request(method, path, headers=headers)
            assert answer.status_code < 500, (method, path)
            found = answer.headers
            policy = dict(part.strip().split(" ", 1) for part in found["content-security-policy"].split(";"))
            assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
            assert "unsafe" not in found["content-security-policy"] and policy["script-src"] == "'self'"
            assert found["x-content-type-options"] == "nosniff"
            assert found["referrer-policy"] == found["cross-origin-opener-policy"] == "same-origin"
            assert found["x-request-id"] and "server" not in found


@pytest.mark.check(41)
@pytest.mark.parametrize("content", ["application/json", "application/vnd.x+json", FORM["content-type"]])
def test_a_body_too_large_is_a_413_on_every_route(api: Api, content: str) -> None:
    body = b'"' + b"x" * LARGEST_BODY + b'"'
    for method, path in routes(api):
        answer = api.request(method, path, content=body, headers={"content-type": content})
        assert is_problem(answer, 413), (method, path)
    ten_megabytes = iter([b"x" * 1_000_000] * 10)
    # It is refused while it is sent: a client may see the answer or the closed connection.
    try:
        answer = api.post("/v1/token", content=ten_megabytes, headers={"content-type": content})
    except httpx.WriteError:
        return
    assert is_problem(answer, 413)


@pytest.mark.check(41)
@pytest.mark.parametrize("text", ['{"a":', "[", '{"a":[', '[{"\\\\":'], ids=["objects", "arrays", "both", "escapes"])
def test_deep_json_is_a_422_on_every_route(api: Api, text: str) -> None:
    body = (text * (LARGEST_BODY // len(text))).encode()
    for method, path in routes(api):
        answer = api.request(method, path, content=body, headers=JSON)
        assert is_problem(answer, 422), (method, path)
        assert path.startswith("/fhir/") or answer.json()["errors"][0]["place"] == "body", (method, path)


@pytest.mark.check(41)
@pytest.mark.parametrize(
    ("text", "place"),
    [("{}", "body"), ('{{"limit": {}}}', "body.limit"), ('{{"rule": {{"value": [0, -{}]}}}}', "body.rule.value.1")],
)
def test_an_integer_too_long_to_be_parsed_is_a_422_that_names_it_on_every_route(
    api: Api, callers: list[dict[str, str]], text: str, place: str
) -> None:
    body = text.format("9" * 5_000)
    for method, path in routes(api):
        answer = api.request(method, path, content=body, headers={**JSON, **callers[1]})
        assert is_problem(answer, 422), (method, path)
        assert path.startswith("/fhir/") or answer.json()["errors"][0]["place"] == place, (method, path)


def test_many_digits_in_a_text_are_none_of_a_number(api: Api) -> None:
    assert api.post("/v1/token", json={"login": "9" * 5_000}).status_code != 400
    cut = api.post("/v1/token", content='{"login": ' + "9" * 5_000, headers=JSON)
    assert is_problem(cut, 422) and cut.json()["errors"][0]["place"] == "body"


@pytest.mark.check(41)
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16", "utf-32"])
def test_depth_does_not_hide_in_another_encoding(api: Api, encoding: str) -> None:
    # The bytes of this letter hold a quotation mark's.
    body = '["\u2200",'.encode(encoding) + ("[" * 5000).encode(encoding)
    answer = api.post("/sign-out", content=body, headers=JSON)
    assert is_problem(answer, 422) and answer.json()["errors"][0]["place"] == "body"


def test_json_as_deep_as_allowed_is_read(api: Api, callers: list[dict[str, str]]) -> None:
    for depth in (1, DEEPEST_JSON):
        body = "[" * depth + "]" * depth
        assert api.post("/sign-out", content=body, headers={**JSON, **callers[2]}).status_code == 404
    strings = json.dumps(["[" * 500, '"' + "{" * 500])
    assert api.post("/sign-out", content=strings, headers={**JSON, **callers[2]}).status_code == 404


@pytest.mark.check(41)
@pytest.mark.parametrize(
    "content", ["text/plain", "multipart/form-data; boundary=x", "application/octet-stream", "text/csv", None]
)
def test_content_that_no_route_takes_is_a_415(api: Api, content: str | None) -> None:
    headers = {"content-type": content} if content else {}
    for method, path in routes(api):
        # A page's form sends a file there: it is looked at after who sends it.
        if not (content or "").startswith("multipart") or not path.endswith("/bring"):
            assert is_problem(api.request(method, path, content=b"--x", headers=headers), 415), (method, path)
    squeezed = api.post("/v1/token", content=b"x", headers={**FORM, "content-encoding": "gzip"})
    assert is_problem(squeezed, 415)


@pytest.mark.check(41)
@pytest.mark.parametrize("mark", [NUL, RIGHT_TO_LEFT, "%0A", "%7F", "%E2%80%8B", "%E2%80%A8"])
def test_a_path_with_marks_that_do_not_show_is_as_good_as_made_up(
    api: Api, callers: list[dict[str, str]], mark: str
) -> None:
    for headers in callers:
        for path in ("/v1/clinics/{}/segments", "/v1/clinics/north/segments/{}", "/clinics/{}/segments", "/static/{}",
                     "/a{}b", "/v1/clinics/north/segments/every{}body/members"):  # fmt: skip
            marked, made_up = (api.get(path.format(part), headers=headers) for part in (mark, "nothing"))
            assert (marked.status_code, marked.content) == (made_up.status_code, made_up.content), path
            assert marked.status_code in (401, 404), path


@pytest.mark.check(41)
@pytest.mark.parametrize("field", ["username", "password", "code"])
def test_a_nul_is_refused_in_a_form(api: Api, field: str) -> None:
    form = {"username": "x", "password": "x", "code": "x", field: "a\x00b"}
    answer = api.post("/v1/token", data=form)
    assert is_problem(answer, 422) and answer.json()["errors"] == [{"place": f"body.{field}", "rule": "not_valid"}]


@pytest.mark.check(41)
@pytest.mark.parametrize(
    ("body", "place"),
    [(b'{"a": "\\ud800"}', "body.a"), (b'["x", {"b": "\\u0000"}]', "body.1.b"), (b'{"\\u0000": 1}', "body"),
     (b'"\\udfff"', "body")],
)  # fmt: skip
def test_nul_and_lone_surrogates_are_refused_in_json(
    api: Api, callers: list[dict[str, str]], body: bytes, place: str
) -> None:
    for headers in callers:
        answer = api.post("/sign-out", content=body, headers={**JSON, **headers})
        assert is_problem(answer, 422) and answer.json()["errors"][0]["place"] == place


@pytest.mark.check(41)
@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b'{"a": "\xe4"}', b"n\xd2\xfeQ", b"1" * 5000, b"NaN,"])
def test_json_that_is_none_is_refused_by_its_place(api: Api, body: bytes) -> None:
    for path in ("/sign-out", "/v1/passwords"):
        answer = api.post(path, content=body, headers=JSON)
        assert is_problem(answer, 422) and answer.json()["errors"][0]["place"].startswith("body")


@pytest.mark.check(41)
def test_random_bytes_in_every_place_are_never_a_500(api: Api, callers: list[dict[str, str]]) -> None:
    generator = random.Random(41)
    for method, path in routes(api):
        for headers in callers:
            noise = bytes(generator.randrange(256) for _ in range(40))
            quoted = "".join(f"%{byte:02X}" for byte in noise)
            for content in (FORM, JSON):
                answer = api.request(
                    method,
                    f"{path}?limit={quoted}&cursor={quoted}&{quoted}",
                    content=noise,
                    headers={**headers, **content},
                )
                assert answer.status_code < 500, (method, path)


@pytest.mark.parametrize(
    "header",
    ["Bearer clk_\u00e9_x", "Bearer clk__", "Bearer \u00ff.\u00ff.\u00ff", "Bearer " + "a." * 2000, "Bearer ..."],
)
def test_odd_credentials_are_a_401(api: Api, header: str) -> None:
    answer = api.get("/v1/clinics", headers={"authorization": header.encode("latin-1")})
    assert is_problem(answer, 401)


def test_every_error_of_a_program_is_a_problem(api: Api) -> None:
    for answer, status in (
        (api.get("/v1/nothing"), 404),
        (api.get("/.well-known/nothing"), 404),
        (api.get("/nothing"), 404),
        (api.get("/static/nothing"), 404),
        (api.get("/static/../app.py"), 404),
        (api.get("/v1/clinics/"), 404),
        (api.delete("/v1/clinics"), 405),
        (api.options("/v1/clinics"), 405),
        (api.post("/static/cloister.css"), 405),
        (api.get("/v1/audit/events?limit=x"), 401),
    ):
        assert is_problem(answer, status), answer.url


def test_a_failure_of_ours_is_a_problem_that_says_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("Canary Finch")

    monkeypatch.setattr(type(api.app.state.services.issuer), "public_keys", broken)
    answer = api.get("/.well-known/jwks.json")
    assert is_problem(answer, 500)
    assert "Canary" not in answer.text


@contextmanager
def limited(world: World, **rates: float) -> Iterator[Api]:
    with access_world.client(world.server, Rates(**{"principal": 0, "address": 0, "sign_ins": 0, **rates})) as api:
        yield api


def test_who_asks_too_often_is_told_when_to_come_again(world: World) -> None:
    # The bucket holds one, and takes a thousand seconds to fill again.
    with limited(world, address=0.001) as api:
        first, second = api.get("/healthz"), api.get("/healthz")
        assert first.status_code == 200
        assert is_problem(second, 429) and 0 < int(second.headers["retry-after"]) <= 1000
        assert "content-security-policy" in second.headers


def test_a_principal_is_limited_wherever_it_comes_from(world: World) -> None:
    with limited(world, principal=0.001) as api:
        robot = {"Authorization": f"Bearer {world.keys['north']}"}
        answers = [api.get("/v1/clinics", headers=robot) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 429]
        assert int(answers[1].headers["retry-after"]) > 0
        # Somebody else is not.
        other = {"Authorization": f"Bearer {world.keys['south']}"}
        assert api.get("/v1/clinics", headers=other).status_code == 200
        browser_sign_in(api, "manager.north")
        pages = [api.get("/clinics", headers={"accept": "text/html"}) for _ in range(2)]
        assert [page.status_code for page in pages] == [200, 429]
        assert "Too many requests" in pages[1].text and pages[1].headers["retry-after"]


def test_two_replicas_count_failed_sign_ins_together(world: World) -> None:
    world.change("set session_replication_role = replica; delete from operational.sign_in_bucket")
    form = {"username": "nobody", "password": "wrong"}
    with limited(world, sign_ins=4) as one, limited(world, sign_ins=4) as two:
        for api in (one, two):
            # What comes back meanwhile is left out.
            api.app.state.services.attempts._values["rate"] = 1e-6
        assert [api.post("/v1/token", data=form).status_code for api in (one, two, one, two)] == [401] * 4
        for api in (one, two):
            answer = api.post("/v1/token", data=form)
            assert is_problem(answer, 429) and int(answer.headers["retry-after"]) > 0
            page = api.get("/sign-in")
            sent = api.post("/sign-in", data={**fields(page.text), "login": "manager.north", "password": PASSWORD})
            assert sent.status_code == 429
        assert len(world.look("select 1 from operational.sign_in_bucket")) == 1


def test_a_sign_in_that_succeeds_costs_nothing(world: World) -> None:
    world.change("set session_replication_role = replica; delete from operational.sign_in_bucket")
    good = {"username": "manager.north", "password": PASSWORD}
    with limited(world, sign_ins=2) as api:
        assert [api.post("/v1/token", data=good).status_code for _ in range(6)] == [200] * 6


@contextmanager
def impatient(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setenv("CLOISTER_STATEMENT_TIMEOUT_MS", "200")
    settings.cache_clear()
    with access_world.client(world.server) as api:
        yield api


@pytest.mark.parametrize(
    ("table", "path"),
    [("operational.principal", "/v1/clinics"), ("operational.api_key", "/v1/clinics"),
     ("operational.session", "/clinics"), ("audit.access_event", "/v1/audit/events"),
     ("clinic_north.segment", "/v1/clinics/north/segments"), ("operational.principal", "/v1/token"),
     ("operational.sign_in_bucket", "/v1/token")],
)  # fmt: skip
def test_a_query_that_hangs_ends_on_every_path(
    world: World, monkeypatch: pytest.MonkeyPatch, table: str, path: str
) -> None:
    with impatient(world, monkeypatch) as api:
        api.app.state.services.attempts._values.update(burst=5.0, rate=1.0)
        session = browser_sign_in(api, "manager.north")
        bearer = {
            "operational.api_key": f"Bearer {world.keys['north']}",
            "audit.access_event": access_world.sign_in(api, "auditor")["Authorization"],
        }.get(table) or access_world.sign_in(api, "manager.north")["Authorization"]
        with connect_admin(world.server) as admin, admin.transaction():
            admin.execute(f"lock table {table} in access exclusive mode")
            if path == "/v1/token":
                answer = api.post(path, data={"username": "manager.north", "password": PASSWORD})
            else:
                headers = {"cookie": f"cloister_session={session}"} if path == "/clinics" else {"authorization": bearer}
                answer = api.get(path, headers=headers)
            assert is_problem(answer, 503)
        again = api.get("/v1/clinics", headers={"authorization": f"Bearer {world.keys['north']}"})
        assert again.status_code == 200


@pytest.mark.check(29)
def test_no_secret_of_a_sign_in_is_ever_logged(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with access_world.logging(), access_world.client(world.server) as api:
        password, code = "Canary-password-1", access_world.fresh_code(world.server, "auditor")
        api.post("/v1/token", data={"username": "Canary-login", "password": password, "code": "Canary-code"})
        bearer = access_world.sign_in(api, "auditor")
        session = browser_sign_in(api, "manager.north")
        api.get("/clinics")
        key = world.keys["north"]
        for token in (key, f"{key}Canary", bearer["Authorization"].removeprefix("Bearer "), "clk_Canary_secret"):
            for query in ("", "?secret=Canary-query"):
                api.get(f"/v1/clinics{query}", headers={"authorization": f"Bearer {token}"})
        monkeypatch.setattr(api.app.state.services.issuer, "verify", lambda token: 1 / 0)
        assert api.get("/v1/clinics", headers=bearer).status_code == 500
    written = capsys.readouterr()
    text = written.out + written.err
    assert '"event": "request"' in text and '"error": "ZeroDivisionError"' in text
    secrets = (password, "Canary", PASSWORD, access_world.TOTP.base32, session, key.split("_", 2)[2],
               bearer["Authorization"].split(".")[2])  # fmt: skip
    assert [secret for secret in secrets if secret in text] == []
    assert f'"{code}"' not in text


@pytest.mark.check(29)
def test_names_that_were_sent_are_not_repeated(api: Api, callers: list[dict[str, str]]) -> None:
    odd = "Canary+4930"
    asked = (
        api.get("/v1/clinics", params={odd: "a\0b"}, headers=callers[1]),
        api.post("/v1/token", data={odd: "a\0b"}),
        api.post("/sign-out", json={odd: "a\0b"}, headers=callers[2]),
    )
    for answer in asked:
        assert answer.status_code == 422 and "Canary" not in answer.text


def test_made_up_clinics_are_not_remembered(api: Api, callers: list[dict[str, str]]) -> None:
    remembered = api.app.state.services.gateway._policies.in_every_state
    api.get(f"/v1/clinics/x/patients/{uuid4()}/profile", headers=callers[1])
    before = remembered.cache_info().currsize
    for number in range(20):
        path = f"/v1/clinics/made-up-{number}/patients/{uuid4()}/profile"
        assert api.get(path, headers=callers[1]).status_code == 404
    assert remembered.cache_info().currsize == before


class SlowHasher:
    """Looks at no password until it may."""

    def __init__(self) -> None:
        self.may = Event()

    def verify(self, _password: str, _hash: str) -> bool:
        assert self.may.wait(60)
        return False

    def hash(self, _password: str) -> str:
        return "x"


def test_sign_ins_that_wait_hold_no_connection_and_are_limited_in_number(
    api: Api, callers: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = SlowHasher()
    monkeypatch.setattr(passwords, "hasher", lambda: slow)
    monkeypatch.setattr(passwords, "_seats", cache(lambda: asyncio.Semaphore(12)))

    def try_one(number: int) -> int:
        with httpx.Client(base_url=api.base_url, timeout=60) as client:
            data = {"username": f"nobody.{number}", "password": "x"}
            return client.post("/v1/token", data=data).status_code

    # More than the pool has connections.
    with ThreadPoolExecutor(12) as pool:
        waiting = [pool.submit(try_one, number) for number in range(12)]
        while not passwords._seats().locked():
            time.sleep(0.01)
        assert api.get("/v1/clinics", headers=callers[1]).status_code == 200
        refused = api.post("/v1/token", data={"username": "nobody", "password": "x"})
        assert is_problem(refused, 429) and refused.headers["retry-after"]
        slow.may.set()
        assert [future.result() for future in waiting] == [401] * 12
