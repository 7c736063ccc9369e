"""Every chart has a title, a text alternative, and the table behind it."""

import re
from html import unescape

import pytest
from access_world import FINCH, Api, World
from markupsafe import escape

from tests.integration.browsing import Browsers

DRAWN = re.compile(r'<svg[^>]*role="img" aria-labelledby="(\S+) (\S+)".*?</svg>', re.DOTALL)
FIGURE = re.compile(r'<figure class="chart">.*?</figure>', re.DOTALL)
MARKUP = "<i>Elders</i> & co"


@pytest.fixture(scope="module")
def browsers(api: Api, world: World) -> Browsers:
    world.change("update clinic_north.segment set name = %s where slug = 'elders'", MARKUP)
    nine_days = "update clinic_north.segment_stay set entered_at = now() - interval '9 days' where patient_id = %s"
    world.change(nine_days, world.patients["north", FINCH])
    return Browsers(api)


@pytest.mark.parametrize(
    ("login", "path"),
    [
        ("manager.north", "/clinics/north"),
        ("manager.north", "/clinics/north/segments/everybody"),
        ("auditor", "/audit/counts"),
    ],
)
def test_a_chart_is_named_told_and_tabled(browsers: Browsers, login: str, path: str) -> None:
    page = browsers.get(login, path).text
    drawn = list(DRAWN.finditer(page))
    assert drawn
    for chart in drawn:
        title, told = (re.search(rf'id="{part}">([^<]+)<', chart[0]) for part in chart.groups())
        assert title and told and title[1].strip() and re.search(r"\d", told[1])
    figures = FIGURE.findall(page)
    assert all("<table>" in figure for figure in figures)
    assert len(drawn) == len(figures) + page.count('<svg class="spark"')


def test_the_lines_of_the_overview_have_their_days_in_a_table(browsers: Browsers) -> None:
    page = browsers.get("manager.north", "/clinics/north").text
    (table,) = re.findall(r"<table>\s*<caption[^>]*>Members, last 30 days</caption>.*?</table>", page, re.DOTALL)
    assert MARKUP not in page and f'<th scope="col" class="num">{escape(MARKUP)}</th>' in table
    heads = [unescape(head) for head in re.findall(r'<th scope="col"[^>]*>([^<]+)</th>', table)]
    days = [re.findall(r">([^<]+)</t[hd]>", row) for row in re.findall(r"<tr>.*?</tr>", table, re.DOTALL)[1:]]
    assert len(days) == 30 and {len(day) for day in days} == {len(heads)}
    place = heads.index("Everybody")
    assert (days[0][place], days[-1][place]) == ("1", "2")
