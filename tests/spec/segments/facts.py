"""Measures of what happened: appointments, forms, answers, adherence. The day is 31 May 2024, unless said."""

from datetime import date

from tests.spec.segments.tables import Spec, is_

DAY = date(2024, 5, 31)
FOUR = "patient\na\nb\nc\nd"
THREE_MONTHS = {"window": "3mo"}
PAIN = {"form": "pain", "question": "score"}

APPOINTMENTS = Spec(
    DAY,
    {
        "raw_patients": FOUR,
        "raw_appointments": """
        patient | starts_on  | status    | service  | modality
        a       | 2024-05-31 | fulfilled | physio   | video
        a       | 2024-05-01 | noshow    | physio   | in_person
        a       | 2024-04-30 | fulfilled | massage  | in_person
        b       | 2024-06-01 | noshow    | physio   | in_person
        b       | 2024-05-20 | cancelled | physio   | in_person
        c       | 2023-12-31 | noshow    | massage  | video
        """,
    },
    [
        (is_("appointments.count", "=", 3), "a"),
        (is_("appointments.count", "=", 1), "bc"),  # the day after does not count yet
        (is_("appointments.count", "=", 0), "d"),  # over nothing: 0
        (is_("appointments.count", "is_known"), "abcd"),
        (is_("appointments.count", "=", 1, window="30d"), "ab"),
        (is_("appointments.count", "=", 2, window="31d"), "a"),
        (is_("appointments.count", "=", 0, window="30d"), "cd"),
        (is_("appointments.count", "=", 1, window="1d"), "a"),
        (is_("appointments.count", "=", 2, status=["fulfilled"]), "a"),
        (is_("appointments.count", ">=", 1, status=["cancelled", "noshow"]), "abc"),
        (is_("appointments.count", ">=", 1, service=["massage"]), "ac"),
        (is_("appointments.count", ">=", 1, service=["massage"], modality=["video"]), "c"),
        (is_("appointments.count", ">", 0, service=["'; drop table raw_patients; --"]), ""),
        (is_("appointments.noshow_count", "=", 1), "ac"),
        (is_("appointments.noshow_count", "=", 0), "bd"),
        (is_("appointments.noshow_rate", "between", [0.33, 0.34]), "a"),
        (is_("appointments.noshow_rate", "=", 1), "c"),
        (is_("appointments.noshow_rate", "=", 0.5, window="30d"), ""),
        (is_("appointments.noshow_rate", "=", 0.5, window="31d"), "a"),
        (is_("appointments.noshow_rate", "is_unknown"), "bd"),  # over nothing: unknown
        ({"not": is_("appointments.noshow_rate", ">", 0.5)}, "a"),
        (is_("appointments.first_on", "=", "2024-04-30"), "a"),
        (is_("appointments.first_on", "in", ["2024-05-31", "2020-01-01"], window="30d"), "a"),
        (is_("appointments.last_on", ">=", "2024-05-31"), "a"),
        (is_("appointments.last_on", "between", ["2024-01-01", "2024-04-30"], modality=["in_person"]), "a"),
        (is_("appointments.last_on", "is_unknown"), "bcd"),
        (is_("appointments.days_since_last", "=", 0), "a"),
        (is_("appointments.days_since_last", "=", 31, service=["massage"]), "a"),
    ],
)
# Three months before 31 May is 29 February: the window starts the day after.
MONTHS = Spec(
    DAY,
    {
        "raw_patients": FOUR,
        "raw_appointments": """
        patient | starts_on
        a       | 2024-03-01
        b       | 2024-02-29
        c       | 2023-06-01
        d       | 2023-05-31
        """,
    },
    [
        (is_("appointments.count", "=", 1, window="3mo"), "a"),
        (is_("appointments.count", "=", 1, window="92d"), "a"),
        (is_("appointments.count", "=", 1, window="93d"), "ab"),
        (is_("appointments.count", "=", 1, window="1y"), "abc"),
        (is_("appointments.count", "=", 1, window="53w"), "abcd"),
        (is_("appointments.count", "=", 1, window="1000y"), "abcd"),
        (is_("appointments.days_since_last", "is_unknown", **THREE_MONTHS), "bcd"),
    ],
)
MONTHS_FROM_A_LEAP_DAY = Spec(
    date(2024, 2, 29),
    {"raw_patients": FOUR, "raw_appointments": "patient | starts_on\na | 2023-03-01\nb | 2023-02-28"},
    [(is_("appointments.count", "=", 1, window="1y"), "a")],
)
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
    ],
)
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
    ],
)
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
SPECS = [APPOINTMENTS, MONTHS, MONTHS_FROM_A_LEAP_DAY, FORMS, ANSWERS, ADHERENCE]
