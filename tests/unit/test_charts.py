"""Charts draw what the report counted: in order, to scale, with words for those who do not see them."""

from datetime import date
from typing import Any

import pytest
from markupsafe import Markup

from api.pages.charts import ROOM, chart, charts, once, trend


def rows(**patients: int) -> list[dict[str, object]]:
    return [{"dimension": "age", "bucket": bucket, "patients": count} for bucket, count in patients.items()]


def test_numbers_come_by_size_and_the_unknown_last() -> None:
    drawn = chart(rows(**{"unknown": 1, "80+": 1, "5-17": 1, "18-39": 1, "other": 1}), "age")
    assert drawn and [bar.label for bar in drawn.bars] == ["other", "5-17", "18-39", "80+", "unknown"]


def test_the_longest_bar_fills_the_room_and_the_others_are_to_scale() -> None:
    drawn = chart(rows(a=50, b=25, c=0), "age")
    assert drawn and [bar.width for bar in drawn.bars] == [ROOM, ROOM / 2, 0]
    assert drawn.summary == "a: 50 (67 %); b: 25 (33 %); c: 0 (0 %)"


def test_nothing_to_draw_is_no_chart() -> None:
    assert chart([], "age") is None
    assert chart(rows(a=0), "age") is None
    assert charts(rows(a=1)) != []
    assert [drawn.key for drawn in charts([*rows(a=1), {"dimension": "sex", "bucket": "x", "patients": 1}])] == [
        "age",
        "sex",
    ]


def test_of_many_words_the_most_frequent_are_shown_and_the_others_together() -> None:
    services = [{"dimension": "service", "bucket": f"s{n}", "patients": n} for n in range(1, 11)]
    drawn = chart(services, "service")
    assert drawn and [(bar.label, bar.count) for bar in drawn.bars] == [
        ("s4", 4), ("s5", 5), ("s6", 6), ("s7", 7), ("s8", 8), ("s9", 9), ("s10", 10), ("others", 6),
    ]  # fmt: skip
    few = chart(services[:8], "service")
    assert few and len(few.bars) == 8


def test_what_shows_the_same_in_the_same_language_is_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[Any, str]] = []

    def macro(shown: Any, key: str) -> Markup:
        drawn.append((shown, key))
        return Markup(len(drawn))

    def line(last: int) -> Any:
        return trend("Members", [(date(2026, 1, 1), 1), (date(2026, 1, 2), last)])

    assert [once(macro, line(2), "a"), once(macro, line(2), "a")] == ["1", "1"]  # type: ignore[arg-type]
    assert once(macro, line(3), "a") == "2"  # type: ignore[arg-type]
    assert once(macro, line(2), "b") == "3"  # type: ignore[arg-type]
    monkeypatch.setattr("api.pages.charts.language", lambda: "de")
    assert once(macro, line(2), "a") == "4"  # type: ignore[arg-type]


def test_codes_of_a_make_up_are_shown_as_words() -> None:
    drawn = chart([{"dimension": "service", "bucket": "follow_up", "patients": 3}], "service")
    assert drawn and [bar.label for bar in drawn.bars] == ["follow up"]
