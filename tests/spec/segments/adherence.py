"""Measures of adherence and plans. The day is 31 May 2024."""

from tests.spec.segments.tables import DAY, FOUR, Spec, is_

ADHERENCE = Spec(
    DAY,
    {
        "raw_patients": FOUR,
        "raw_adherence": """
        patient | day        | prescribed | done
        a       | 2024-05-31 | 4          | 1
        a       | 2024-05-30 | 4          | 2
        a       | 2024-05-01 | 10         | 10
        b       | 2024-06-01 | 4          | 4
        b       | 2024-05-29 | 4          | 0
        c       | 2024-05-01 | 4          | 4
        """,
    },
    [
        (is_("adherence.completion_rate", "<", 0.5, window="30d"), "ab"),
        (is_("adherence.completion_rate", "=", 0.375, window="30d"), "a"),
        (is_("adherence.completion_rate", ">=", 0.7), "ac"),
        (is_("adherence.completion_rate", "=", 0), "b"),
        (is_("adherence.completion_rate", "is_unknown", window="30d"), "cd"),
        ({"not": is_("adherence.completion_rate", "<", 0.5, window="30d")}, ""),
        (is_("adherence.days_since_last", "=", 0), "a"),
        (is_("adherence.days_since_last", "=", 30), "c"),
        (is_("adherence.days_since_last", "is_unknown"), "bd"),  # a day with nothing done is no activity
    ],
)
# A plan has all of its days from the moment that it is prescribed; the one begun last counts.
PLANS = Spec(
    DAY,
    {
        "raw_patients": FOUR,
        "raw_adherence": """
        patient | plan | day        | prescribed | done
        a       | 1    | 2024-05-30 | 4          | 4
        a       | 1    | 2024-05-31 | 4          | 2
        a       | 1    | 2024-06-01 | 4          | 4
        a       | 2    | 2024-05-29 | 4          | 0
        b       | 1    | 2024-05-30 | 4          | 4
        b       | 2    | 2024-05-30 | 4          | 1
        b       | 3    | 2024-06-01 | 4          | 4
        c       | 1    | 2024-06-01 | 4          | 4
        """,
    },
    [
        (is_("adherence.plan_progress", "=", 0.5), "a"),  # 6 of 12: what is ahead is prescribed, and not yet done
        (is_("adherence.plan_progress", "=", 0.25), "b"),  # of two begun on one day, the highest id
        (is_("adherence.plan_progress", "is_unknown"), "cd"),  # a plan ahead has not begun
    ],
)
# 30 days begin on 2 May.
EDGES = Spec(
    DAY,
    {
        "raw_patients": FOUR,
        "raw_adherence": """
        patient | day        | prescribed | done
        a       | 2024-05-02 | 4          | 4
        b       | 2024-05-01 | 4          | 2
        c       | 2024-05-02 | 4          | 0
        c       | 2024-05-01 | 4          | 4
        """,
    },
    [
        (is_("adherence.completion_rate", "is_unknown", window="29d"), "abcd"),
        (is_("adherence.completion_rate", "is_unknown", window="30d"), "bd"),
        (is_("adherence.completion_rate", "=", 0, window="30d"), "c"),
        (is_("adherence.completion_rate", "=", 0.5, window="31d"), "bc"),
        (is_("adherence.days_since_last", "is_known", window="29d"), ""),
        (is_("adherence.days_since_last", "=", 29, window="30d"), "a"),
        (is_("adherence.days_since_last", "is_unknown", window="30d"), "bcd"),  # nothing done is no activity
        (is_("adherence.days_since_last", "=", 30, window="31d"), "bc"),
    ],
)
SPECS = [ADHERENCE, PLANS, EDGES]
