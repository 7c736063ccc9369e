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
SPECS = [FORMS]
