"""Charts draw what the report counted: in order, to scale, with words for those who do not see them."""

from api.pages.charts import ROOM, chart, charts


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
