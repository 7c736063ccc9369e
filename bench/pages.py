"""How long a manager waits for a page of a clinic of the scale set, how heavy it is, and how many are given at once."""

import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from statistics import quantiles
from uuid import uuid4

import httpx

from bench.access_load import ask
from bench.access_reads import Ward, serving
from bench.harness import Bench, Figure, Skipped, at_least, at_most, benchmark
from bench.ingest import ingest_all
from bench.scale import AS_OF
from bench.segments_rules import TWENTY
from bench.segments_sets import evaluate, marts, put_segments
from infra.database import connect_admin
from orchestration.dbt_run import run_dbt, today_everywhere
from policies.words import Role

VIEWS = 100
CLIENTS = 16
LOGIN = "bench.manager"
SECONDS = 5.0
# The service is still starting when it is asked first.
STARTING = 60.0
SEGMENT = "over-65-low-adherence"
STATIC = re.compile(r'(?:href|src)="(/static/[^"]+)"')


@dataclass(frozen=True)
class Desk:
    """A manager who has signed in, and the pages that are looked at."""

    port: int
    cookie: str
    clinic: str

    @property
    def pages(self) -> dict[str, str]:
        """Paths by the figure's name."""
        return {"overview": f"/clinics/{self.clinic}", "segment": f"/clinics/{self.clinic}/segments/{SEGMENT}"}

    def asked(self, path: str) -> bytes:
        """A request, as its bytes."""
        return f"GET {path} HTTP/1.1\r\nhost: bench\r\ncookie: {self.cookie}\r\n\r\n".encode()

    def read(self, path: str) -> bytes:
        """What is answered."""
        answer = httpx.get(f"http://127.0.0.1:{self.port}{path}", headers={"cookie": self.cookie})
        answer.raise_for_status()
        return answer.content


@benchmark("pages.served")
def served(bench: Bench) -> Iterator[Figure]:
    """95th percentiles of milliseconds, kilobytes with style sheet and pictures, milliseconds to the later first paint
    in a browser, and page views a second from 16 clients, all of them good; warm.
    """
    found, password = _ward(bench)
    with serving(found) as port:
        desk = Desk(port, _signed_in(port, password), found.clinic)
        for name, path in desk.pages.items():
            yield at_most(f"pages.{name}", _p95(desk, path), "ms", 150)
        yield at_most("pages.weight", max(_weight(desk, path) for path in desk.pages.values()) / 1024, "KB", 200)
        yield at_least("pages.views_per_s", _per_second(desk), "views/s", 50)
        yield at_most("pages.first_paint", max(_first_paint(desk, path) for path in desk.pages.values()), "ms", 1000)


def _ward(bench: Bench) -> tuple[Ward, str]:
    """The first clinic's mart with twenty segments and their reports, and a manager with a fresh password."""
    # Late: the other benchmarks need no API.
    from api.accounts import add_user

    at, clinic = marts(bench, bench.scale), bench.scale.slugs[0]
    put_segments(at, [clinic], TWENTY)
    ingest_all(at, [clinic])
    evaluate(at, [clinic])
    run_dbt(at, today_everywhere([clinic], AS_OF))
    password = uuid4().hex
    add_user(at, LOGIN, LOGIN, Role.CLINIC_MANAGER, clinic, password)
    with connect_admin(at) as admin:
        row = admin.execute("select clinic_id from operational.clinic where slug = %s", [clinic]).fetchone()
        assert row
    return Ward(at, clinic, row[0], [], [], [], ""), password


def _signed_in(port: int, password: str) -> str:
    """The cookie of a session."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=STARTING) as browser:
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', browser.get("/sign-in").text))
        browser.post("/sign-in", data={**hidden, "login": LOGIN, "password": password})
        return f"cloister_session={browser.cookies['cloister_session']}"


def _p95(desk: Desk, path: str) -> float:
    times, statuses = ask(desk.port, [desk.asked(path)] * (VIEWS + 10), connections=1)
    if statuses != {b"200"}:
        raise AssertionError(f"{path} answered {statuses}")
    return quantiles(times[10:], n=20)[18] * 1000


def _weight(desk: Desk, path: str) -> int:
    """Bytes of a page and of all that it names."""
    page = desk.read(path)
    return len(page) + sum(len(desk.read(each)) for each in sorted(set(STATIC.findall(page.decode()))))


def _per_second(desk: Desk) -> float:
    requests = cycle([desk.asked(path) for path in desk.pages.values()])
    ask(desk.port, islice(requests, CLIENTS * 2), CLIENTS)  # connections of the pool are made
    times, statuses = ask(desk.port, requests, CLIENTS, time.perf_counter() + SECONDS)
    if statuses != {b"200"}:
        raise AssertionError(f"pages answered {statuses}")
    return len(times) / SECONDS


def _first_paint(desk: Desk, path: str) -> float:
    """Milliseconds until a page's first contentful paint, in a browser that has seen none of it."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        raise Skipped("no chromium on this machine")
    name, _, value = desk.cookie.partition("=")
    home = f"http://127.0.0.1:{desk.port}"
    with sync_playwright() as playwright:
        # As root, Chromium's own sandbox does not start.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(base_url=home)
        context.add_cookies([{"name": name, "value": value, "url": home}])
        page = context.new_page()
        page.goto(path)
        # Looked for again and again from here: the page's policy lets nobody wait in it.
        paints = "performance.getEntriesByName('first-contentful-paint').map(entry => entry.startTime)"
        while not (found := page.evaluate(paints)):
            page.wait_for_timeout(20)
        browser.close()
    return float(found[0])
