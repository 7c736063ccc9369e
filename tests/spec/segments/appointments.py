"""Measures of appointments. The day is 31 May 2024, unless said."""

from datetime import date

from tests.spec.segments.tables import DAY, FOUR, Spec, is_

THREE_MONTHS = {"window": "3mo"}

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
# Attended in a month: over three calendar months, or over days of which 30.4375 are a month.
FREQUENCY = Spec(
    DAY,
    {
        "raw_patients": FOUR,
        "raw_appointments": """
        patient | starts_on  | status    | service
        a       | 2024-05-31 | fulfilled | physio
        a       | 2024-05-30 | fulfilled | physio
        a       | 2024-03-01 | fulfilled | massage
        a       | 2024-02-29 | fulfilled | physio
        a       | 2024-05-20 | noshow    | physio
        b       | 2024-05-31 | booked    | physio
        c       | 2024-06-01 | fulfilled | physio
        """,
    },
    [
        (is_("appointments.per_month", "=", 1, window="3mo"), "a"),
        (is_("appointments.per_month", "=", 4 / 12, window="1y"), "a"),
        (is_("appointments.per_month", "between", [2.02, 2.04], window="30d"), "a"),  # 2 in 30 days
        (is_("appointments.per_month", "=", 2 / 3, window="3mo", service=["physio"]), "a"),
        (is_("appointments.per_month", "=", 0, window="3mo"), "bcd"),  # over nothing: 0
    ],
)
# Only what is booked is ahead; the as-of date itself is.
NEXT = Spec(
    DAY,
    {
        "raw_patients": FOUR,
        "raw_appointments": """
        patient | starts_on  | status    | service
        a       | 2024-05-30 | booked    | physio
        a       | 2024-06-07 | booked    | physio
        a       | 2024-06-14 | booked    | massage
        b       | 2024-05-31 | booked    | physio
        c       | 2024-06-01 | cancelled | physio
        c       | 2024-06-02 | arrived   | physio
        d       | 2024-05-30 | booked    | physio
        """,
    },
    [
        (is_("appointments.next_on", "=", "2024-06-07"), "a"),
        (is_("appointments.next_on", "=", "2024-06-14", service=["massage"]), "a"),
        (is_("appointments.next_on", "is_unknown"), "cd"),
        (is_("appointments.days_until_next", "=", 0), "b"),
        (is_("appointments.days_until_next", "<=", 7), "ab"),
        (is_("appointments.days_until_next", ">", 7, service=["massage"]), "a"),
        (is_("appointments.days_until_next", "is_known"), "ab"),
        (is_("appointments.last_on", "is_unknown"), "abcd"),
    ],
)
# 30 days begin on 2 May: what is of that day counts, what is of the day before does not.
EDGES = Spec(
    DAY,
    {
        "raw_patients": FOUR,
        "raw_appointments": """
        patient | starts_on  | status    | service | modality
        a       | 2024-05-02 | fulfilled | physio  | in_person
        b       | 2024-05-01 | fulfilled | massage | video
        c       | 2024-05-31 | fulfilled | massage | video
        c       | 2024-05-02 | noshow    | physio  | in_person
        c       | 2024-05-01 | noshow    | massage | video
        d       | 2024-06-01 | fulfilled | physio  | in_person
        d       | 2024-06-01 | noshow    | physio  | in_person
        """,
    },
    [
        (is_("appointments.per_month", ">", 0, window="29d"), "c"),
        (is_("appointments.per_month", ">", 0, window="30d"), "ac"),
        (is_("appointments.per_month", ">", 0, window="31d"), "abc"),
        (is_("appointments.per_month", ">", 0, window="31d", modality=["video"]), "bc"),
        (is_("appointments.noshow_count", "=", 0, window="29d"), "abcd"),
        (is_("appointments.noshow_count", "=", 1, window="30d"), "c"),
        (is_("appointments.noshow_count", "=", 2, window="31d"), "c"),
        (is_("appointments.noshow_count", "=", 1, service=["physio"]), "c"),
        (is_("appointments.noshow_count", "=", 0, service=["physio"], window="29d"), "abcd"),
        (is_("appointments.noshow_count", "=", 2, service=["physio", "massage"]), "c"),
        (is_("appointments.noshow_count", "=", 1, modality=["video"]), "c"),
        (is_("appointments.noshow_count", "=", 0, modality=["video"], window="30d"), "abcd"),
        (is_("appointments.noshow_rate", "=", 0, window="29d"), "c"),
        (is_("appointments.noshow_rate", "=", 0.5, window="30d"), "c"),
        (is_("appointments.noshow_rate", "is_unknown", window="30d"), "bd"),
        (is_("appointments.noshow_rate", "is_unknown", window="31d"), "d"),
        (is_("appointments.noshow_rate", "=", 0.5, service=["massage"]), "c"),
        (is_("appointments.noshow_rate", "is_unknown", service=["massage"]), "ad"),
        (is_("appointments.noshow_rate", "=", 1, modality=["in_person"]), "c"),
        (is_("appointments.noshow_rate", "is_unknown", modality=["video"]), "ad"),
        (is_("appointments.first_on", "=", "2024-05-02", window="30d"), "a"),
        (is_("appointments.first_on", "!=", "2024-05-31", window="30d"), "a"),
        (is_("appointments.first_on", "!=", "2024-05-31", window="31d"), "ab"),
        (is_("appointments.first_on", "=", "2024-05-01", service=["massage"]), "b"),
        (is_("appointments.first_on", "is_unknown", service=["massage"]), "ad"),
        (is_("appointments.first_on", "is_known", modality=["in_person"]), "a"),
        (is_("appointments.last_on", "is_known", window="29d"), "c"),
        (is_("appointments.last_on", "is_known", window="30d"), "ac"),
        (is_("appointments.last_on", "is_known", window="31d"), "abc"),
        (is_("appointments.last_on", "<", "2024-05-31", service=["massage"]), "b"),
        (is_("appointments.last_on", "<", "2024-05-02"), "b"),
        (is_("appointments.last_on", "<=", "2024-05-02"), "ab"),  # of who has none it is unknown, not before
        (is_("appointments.last_on", "!=", "2024-05-02"), "bc"),
        (is_("appointments.days_since_last", "<=", 30, window="29d"), "c"),
        (is_("appointments.days_since_last", "=", 29, window="30d"), "a"),
        (is_("appointments.days_since_last", "=", 30, window="31d"), "b"),
        (is_("appointments.days_since_last", "=", 29, modality=["in_person"]), "a"),
        (is_("appointments.days_since_last", "<=", 30, modality=["video"]), "bc"),
    ],
)
AHEAD = Spec(
    DAY,
    {
        "raw_patients": FOUR,
        "raw_appointments": """
        patient | starts_on  | status    | service  | modality
        a       | 2024-06-07 | booked    | physio   | video
        a       | 2024-06-14 | booked    | massage  | in_person
        b       | 2024-05-31 | booked    | physio   | in_person
        c       | 2024-05-30 | booked    | physio   | video
        """,
    },
    [
        (is_("appointments.next_on", "=", "2024-06-14", modality=["in_person"]), "a"),
        (is_("appointments.next_on", "is_known", modality=["video"]), "a"),
        (is_("appointments.next_on", "<=", "2024-06-07", modality=["in_person", "video"]), "ab"),
        (is_("appointments.days_until_next", "=", 14, modality=["in_person"]), "a"),
        (is_("appointments.days_until_next", "=", 0, modality=["in_person"]), "b"),
        (is_("appointments.days_until_next", "is_unknown", modality=["video"]), "bcd"),
    ],
)
SPECS = [APPOINTMENTS, MONTHS, MONTHS_FROM_A_LEAP_DAY, FREQUENCY, NEXT, EDGES, AHEAD]
