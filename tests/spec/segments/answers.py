"""Measures of answers: numbers, choices, words and dates, and what becomes of a question whose kind changed."""

from tests.spec.segments.tables import DAY, FOUR, Spec, is_

PAIN = {"form": "pain", "question": "score"}

ANSWERS = Spec(
    DAY,
    {
        "raw_patients": FOUR,
        "raw_answers": """
        patient | answered_at          | number | template | question
        a       | 2024-05-31T08:00:00Z | 9      | pain     | score
        a       | 2024-05-31T08:00:00Z | 7      | pain     | score
        a       | 2024-05-01T08:00:00Z | 2      | pain     | score
        a       | 2024-05-01T08:00:00Z | 4      | pain     | score
        a       | 2024-05-31T09:00:00Z | 1      | pain     | other
        b       | 2024-06-01T08:00:00Z | 10     | pain     | score
        b       | 2024-05-30T08:00:00Z | 3      | pain     | score
        b       | 2024-05-31T08:00:00Z | -      | pain     | score
        c       | 2024-05-31T08:00:00Z | 8      | visit    | score
        d       | 2024-05-31T08:00:00Z | 0.7    | pain     | share
        d       | 2024-05-31T08:00:00Z | 0.1    | pain     | share
        d       | 2024-05-31T08:00:00Z | 0.1    | pain     | share
        """,
    },
    [
        (is_("answers.latest", "=", 7, **PAIN), "a"),  # of one instant, the highest id
        (is_("answers.latest", "=", 3, **PAIN), "b"),  # neither the day after nor an answer without a number
        (is_("answers.latest", "is_unknown", **PAIN), "cd"),
        (is_("answers.latest", "=", 8, form="visit", question="score"), "c"),
        (is_("answers.latest", "is_unknown", window="1d", **PAIN), "bcd"),
        (is_("answers.first", "=", 2, **PAIN), "a"),  # of one instant, the lowest id
        (is_("answers.first", "=", 9, window="30d", **PAIN), "a"),
        (is_("answers.min", "=", 2, **PAIN), "a"),
        (is_("answers.max", "=", 9, **PAIN), "a"),
        (is_("answers.max", "<", 10, **PAIN), "ab"),
        (is_("answers.mean", "=", 5.5, **PAIN), "a"),
        (is_("answers.mean", "is_unknown", **PAIN), "cd"),
        (is_("answers.mean", "=", 0.3, form="pain", question="share"), "d"),  # the sum of doubles would be less
    ],
)
# Of the least numbers that there are, and such as a quotient of few digits would be nearest to another number for.
TINY = Spec(
    DAY,
    {
        "raw_patients": FOUR,
        "raw_answers": """
        patient | answered_at          | number
        a       | 2024-05-31T08:00:00Z | 5e-324
        a       | 2024-05-31T08:00:00Z | 0
        a       | 2024-05-31T08:00:00Z | 0
        b       | 2024-05-31T08:00:00Z | 5e-324
        b       | 2024-05-31T08:00:00Z | 0
        c       | 2024-05-31T08:00:00Z | -5e-324
        d       | 2024-05-31T08:00:00Z | 2e-30
        d       | 2024-05-31T08:00:00Z | 2e-30
        d       | 2024-05-31T08:00:00Z | 1e-30
        """,
    },
    [
        (is_("answers.mean", "=", 0, **PAIN), "a"),
        (is_("answers.mean", "=", 5e-324, **PAIN), "b"),
        (is_("answers.mean", "<", 0, **PAIN), "c"),
        (is_("answers.mean", "=", 5e-30 / 3, **PAIN), "d"),
        (is_("answers.max", "=", 5e-324, **PAIN), "ab"),
    ],
)
# The rows of one form belong together: several options of one question. Ids follow the order of the rows.
CHOICES = Spec(
    DAY,
    {
        "raw_patients": FOUR,
        "raw_answers": """
        patient | answered_at          | form | choice
        a       | 2024-05-30T08:00:00Z | 1    | knee
        a       | 2024-05-30T08:00:00Z | 1    | back
        a       | 2024-05-01T08:00:00Z | 2    | neck
        a       | 2024-05-01T08:00:00Z | 3    | hip
        b       | 2024-05-30T08:00:00Z | 4    | neck
        b       | 2024-05-30T08:00:00Z | 5    | back
        b       | 2024-06-01T08:00:00Z | 6    | knee
        c       | 2024-05-30T08:00:00Z | 7    | -
        """,
    },
    [
        (is_("answers.latest_choice", "=", "back", **PAIN), "ab"),  # of one instant, the highest id
        (is_("answers.first_choice", "=", "neck", **PAIN), "ab"),  # of one instant, the lowest id
        (is_("answers.first_choice", "=", "knee", window="31d", **PAIN), ""),
        (is_("answers.first_choice", "=", "knee", window="2d", **PAIN), "a"),
        (is_("answers.latest_choice", "starts_with", "b", **PAIN), "ab"),
        (is_("answers.latest_choice", "!=", "knee", **PAIN), "ab"),
        (is_("answers.latest_choice", "is_unknown", **PAIN), "cd"),
        (is_("answers.latest_choices", "contains_all", ["knee", "back"], **PAIN), "a"),
        (is_("answers.latest_choices", "contains_any", ["neck", "hip"], **PAIN), ""),  # of two forms, the highest id
        (is_("answers.latest_choices", "contains_none", ["neck"], **PAIN), "ab"),
        (is_("answers.latest_choices", "is_unknown", **PAIN), "cd"),  # never asked is not none of them
        (is_("answers.choices", "contains_all", ["knee", "back", "neck", "hip"], **PAIN), "a"),
        (is_("answers.choices", "contains_any", ["neck"], **PAIN), "ab"),
        (is_("answers.choices", "contains_any", ["neck"], window="30d", **PAIN), "b"),
        (is_("answers.choices", "contains_none", ["knee"], **PAIN), "b"),
        (is_("answers.choices", "is_unknown", **PAIN), "cd"),
        (is_("answers.count", "=", 3, **PAIN), "a"),  # forms, not options
        (is_("answers.count", "=", 1, **PAIN), "c"),
        (is_("answers.count", "=", 0, **PAIN), "d"),
        (is_("answers.count", "=", 1, window="30d", **PAIN), "ac"),
    ],
)
WORDS = Spec(
    DAY,
    {
        "raw_patients": FOUR,
        "raw_answers": """
        patient | answered_at          | body      | day
        a       | 2024-05-31T08:00:00Z | tennis    | -
        a       | 2024-05-31T08:00:00Z | %_running | -
        a       | 2024-05-01T08:00:00Z | rowing    | 2024-02-29
        b       | 2024-05-31T08:00:00Z | -         | 2023-12-31
        b       | 2024-05-30T08:00:00Z | -         | 2024-12-31
        b       | 2024-05-30T08:00:00Z | -         | 2024-01-01
        c       | 2024-06-01T08:00:00Z | tennis    | 2024-01-01
        """,
    },
    [
        (is_("answers.latest_text", "=", "%_running", **PAIN), "a"),
        (is_("answers.latest_text", "starts_with", "%_r", **PAIN), "a"),  # no pattern
        (is_("answers.first_text", "in", ["rowing", "tennis"], **PAIN), "a"),
        (is_("answers.first_text", "=", "tennis", window="30d", **PAIN), "a"),
        (is_("answers.latest_text", "is_unknown", **PAIN), "bcd"),
        (is_("answers.latest_date", "=", "2023-12-31", **PAIN), "b"),
        (is_("answers.latest_date", "=", "2024-02-29", **PAIN), "a"),
        (is_("answers.first_date", ">", "2024-05-31", **PAIN), "b"),  # a date answered may lie ahead
        (is_("answers.min_date", "=", "2023-12-31", **PAIN), "b"),
        (is_("answers.max_date", "between", ["2024-12-31", "2025-01-01"], **PAIN), "b"),
        (is_("answers.max_date", "is_unknown", window="30d", **PAIN), "acd"),
        (is_("answers.days_since_last", "=", 0, **PAIN), "ab"),
        (is_("answers.days_since_last", "is_unknown", **PAIN), "cd"),
    ],
)
# A number until April, a choice in May, words on the day: each measure sees the answers of its own kind.
CHANGED_KIND = Spec(
    DAY,
    {
        "raw_patients": FOUR,
        "raw_answers": """
        patient | answered_at          | number | choice | body
        a       | 2024-04-01T08:00:00Z | 7      | -      | -
        a       | 2024-05-01T08:00:00Z | -      | severe | -
        a       | 2024-05-31T08:00:00Z | -      | -      | worse
        b       | 2024-05-31T08:00:00Z | -      | severe | -
        c       | 2024-05-31T08:00:00Z | 3      | mild   | -
        """,
    },
    [
        (is_("answers.latest", "=", 7, **PAIN), "a"),
        (is_("answers.latest", "is_unknown", window="30d", **PAIN), "abd"),
        (is_("answers.latest_choice", "=", "severe", **PAIN), "ab"),
        (is_("answers.latest_text", "=", "worse", **PAIN), "a"),
        (is_("answers.mean", "=", 7, **PAIN), "a"),
        (is_("answers.count", "=", 3, **PAIN), "a"),
        ({"all": [is_("answers.latest", "=", 3, **PAIN), is_("answers.latest_choice", "=", "mild", **PAIN)]}, "c"),
    ],
)
# 30 days begin on 2 May; each answer is of every kind, so that each measure has the same days.
ON_ITS_DAYS = {"29d": "a", "30d": "ad", "31d": "abd"}
EDGES = Spec(
    DAY,
    {
        "raw_patients": FOUR,
        "raw_answers": """
        patient | answered_at          | number | choice | body   | day
        a       | 2024-05-31T08:00:00Z | 3      | hand   | hockey | 2024-05-25
        a       | 2024-05-02T08:00:00Z | 5      | knee   | tennis | 2024-05-20
        a       | 2024-05-01T08:00:00Z | 1      | hip    | rowing | 2024-01-01
        a       | 2024-05-01T07:00:00Z | 20     | foot   | rugby  | 2025-01-01
        b       | 2024-05-01T08:00:00Z | 9      | neck   | golf   | 2023-12-31
        c       | 2024-06-01T08:00:00Z | 7      | back   | chess  | 2024-02-02
        d       | 2024-05-02T08:00:00Z | 6      | elbow  | darts  | 2024-06-06
        """,
    },
    [
        *(
            (is_(f"answers.{name}", "is_known", window=window, **PAIN), who)
            for name in (
                "days_since_last", "latest", "first", "min", "max", "mean", "latest_choice", "first_choice",
                "latest_choices", "choices", "latest_text", "first_text", "latest_date", "first_date", "min_date",
                "max_date",
            )
            for window, who in ON_ITS_DAYS.items()
        ),
        *((is_("answers.count", ">", 0, window=window, **PAIN), who) for window, who in ON_ITS_DAYS.items()),
        (is_("answers.count", "=", 2, window="30d", **PAIN), "a"),
        (is_("answers.count", "=", 4, window="31d", **PAIN), "a"),
        (is_("answers.days_since_last", "=", 29, window="30d", **PAIN), "d"),
        (is_("answers.days_since_last", "=", 30, window="31d", **PAIN), "b"),
        (is_("answers.latest", "=", 6, window="30d", **PAIN), "d"),
        (is_("answers.first", "=", 5, window="30d", **PAIN), "a"),
        (is_("answers.first", "=", 20, window="31d", **PAIN), "a"),
        (is_("answers.min", "=", 3, window="30d", **PAIN), "a"),
        (is_("answers.min", "=", 1, window="31d", **PAIN), "a"),
        (is_("answers.max", "=", 5, window="30d", **PAIN), "a"),
        (is_("answers.max", "=", 20, window="31d", **PAIN), "a"),
        (is_("answers.mean", "=", 4, window="30d", **PAIN), "a"),
        (is_("answers.mean", "=", 7.25, window="31d", **PAIN), "a"),
        (is_("answers.latest_choice", "in", ["elbow", "neck"], window="30d", **PAIN), "d"),
        (is_("answers.first_choice", "=", "foot", window="31d", **PAIN), "a"),
        (is_("answers.latest_choices", "contains_any", ["elbow", "neck"], window="30d", **PAIN), "d"),
        (is_("answers.choices", "contains_none", ["hip"], window="30d", **PAIN), "ad"),
        (is_("answers.choices", "contains_none", ["hip"], window="31d", **PAIN), "bd"),
        (is_("answers.latest_text", "!=", "hockey", window="30d", **PAIN), "d"),
        (is_("answers.first_text", "=", "rugby", window="31d", **PAIN), "a"),
        (is_("answers.latest_date", "=", "2024-05-25", window="30d", **PAIN), "a"),
        (is_("answers.first_date", "=", "2024-05-20", window="30d", **PAIN), "a"),
        (is_("answers.first_date", "=", "2025-01-01", window="31d", **PAIN), "a"),
        (is_("answers.min_date", "=", "2024-05-20", window="30d", **PAIN), "a"),
        (is_("answers.min_date", "<", "2024-01-01", window="31d", **PAIN), "b"),
        (is_("answers.min_date", "<=", "2024-01-01", window="31d", **PAIN), "ab"),
        (is_("answers.min_date", "!=", "2024-01-01", window="31d", **PAIN), "bd"),
        (is_("answers.max_date", "=", "2024-05-25", window="30d", **PAIN), "a"),
        (is_("answers.max_date", "=", "2025-01-01", window="31d", **PAIN), "a"),
    ],
)  # fmt: skip
SPECS = [ANSWERS, TINY, CHOICES, WORDS, CHANGED_KIND, EDGES]
