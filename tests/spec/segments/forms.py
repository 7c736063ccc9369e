"""Measures of forms. The day is 31 May 2024."""

from tests.spec.segments.tables import DAY, FOUR, Spec, is_

FORMS = Spec(
    DAY,
    {
        "raw_patients": FOUR,
        "raw_forms": """
        patient | template | status      | assigned_on | due_on     | completed_on
        a       | intake   | completed   | 2024-03-01  | -          | 2024-05-31
        a       | pain     | pending     | 2024-05-01  | 2024-05-30 | -
        b       | intake   | in_progress | 2024-05-31  | 2024-05-31 | -
        b       | pain     | expired     | 2024-01-01  | 2024-02-01 | -
        c       | intake   | completed   | 2024-05-01  | -          | 2024-06-01
        c       | pain     | pending     | 2024-06-01  | -          | -
        """,
    },
    [
        (is_("forms.completed", "=", 1), "a"),
        (is_("forms.completed", "=", 0), "bcd"),
        (is_("forms.completed", "=", 1, window="1d"), "a"),  # by the day of completion
        (is_("forms.completed", "=", 0, form="pain"), "abcd"),
        (is_("forms.pending", "=", 1), "ab"),
        (is_("forms.pending", "=", 1, form="pain"), "a"),
        (is_("forms.pending", "=", 1, window="30d"), "b"),  # by the day of assignment
        (is_("forms.overdue", "=", 1), "a"),  # due on the day is not overdue
        (is_("forms.overdue", "=", 1, form="intake"), ""),
        (is_("forms.expired", "=", 1), "b"),
        (is_("forms.expired", "=", 0, window="30d"), "abcd"),
    ],
)
# 30 days begin on 2 May.
EDGES = Spec(
    DAY,
    {
        "raw_patients": FOUR,
        "raw_forms": """
        patient | template | status      | assigned_on | due_on     | completed_on
        a       | intake   | pending     | 2024-05-02  | 2024-05-30 | -
        b       | intake   | in_progress | 2024-05-01  | 2024-05-30 | -
        b       | pain     | expired     | 2024-05-02  | 2024-05-10 | -
        c       | intake   | expired     | 2024-05-01  | 2024-05-10 | -
        c       | pain     | completed   | 2024-01-01  | -          | 2024-05-02
        d       | pain     | completed   | 2024-01-01  | -          | 2024-05-01
        d       | pain     | pending     | 2024-05-02  | -          | -
        """,
    },
    [
        (is_("forms.completed", "=", 0, window="29d"), "abcd"),
        (is_("forms.completed", "=", 1, window="30d"), "c"),
        (is_("forms.completed", "=", 1, window="31d"), "cd"),
        (is_("forms.pending", "=", 0, window="29d"), "abcd"),
        (is_("forms.pending", "=", 1, window="30d"), "ad"),
        (is_("forms.pending", "=", 1, window="31d"), "abd"),
        (is_("forms.overdue", "=", 0, window="29d"), "abcd"),
        (is_("forms.overdue", "=", 1, window="30d"), "a"),  # by the day of assignment, not by that of the due day
        (is_("forms.overdue", "=", 1, window="31d"), "ab"),
        (is_("forms.overdue", "=", 0, window="31d", form="pain"), "abcd"),  # what is never due is not overdue
        (is_("forms.expired", "=", 0, window="29d"), "abcd"),
        (is_("forms.expired", "=", 1, window="30d"), "b"),
        (is_("forms.expired", "=", 1, window="31d"), "bc"),
        (is_("forms.expired", "=", 1, form="intake"), "c"),
        (is_("forms.expired", "=", 1, form="pain"), "b"),
        (is_("forms.expired", "=", 0, form="intake", window="30d"), "abcd"),
    ],
)
SPECS = [FORMS, EDGES]
