"""Measures of the patient, and what unknown means in a tree."""

from datetime import date

from tests.spec.segments.tables import Spec, is_

AGES = """
patient | birth_date
a       | 1958-05-31
b       | 1958-06-01
c       | 1959-05-31
d       | -
"""
OVER_65 = is_("age", ">", 65)
AGE = Spec(
    date(2024, 5, 31),
    {"raw_patients": AGES},
    [
        (is_("age", "=", 66), "a"),  # a birthday on the day counts
        (is_("age", "=", 65), "bc"),
        (OVER_65, "a"),
        (is_("age", ">=", 65), "abc"),
        (is_("age", "<", 65.5), "bc"),
        (is_("age", "<=", 65), "bc"),
        (is_("age", "!=", 66), "bc"),
        (is_("age", "between", [65, 66]), "abc"),
        (is_("age", "between", [66, 65]), ""),
        (is_("age", "in", [66, 67.5]), "a"),
        (is_("age", "is_known"), "abc"),
        (is_("age", "is_unknown"), "d"),
    ],
)
# Unknown is neither true nor false: who shares no birth date is in none of these but by what is known of them.
TREES = Spec(
    date(2024, 5, 31),
    {"raw_patients": AGES},
    [
        ({"not": OVER_65}, "bc"),
        ({"not": {"not": OVER_65}}, "a"),
        ({"any": [OVER_65, {"not": OVER_65}]}, "abc"),
        ({"all": [OVER_65, {"not": OVER_65}]}, ""),
        ({"any": [OVER_65, is_("registration.days", ">", 0)]}, "abcd"),
        ({"all": [{"not": OVER_65}, is_("registration.days", ">", 0)]}, "bc"),
        ({"not": {"all": [OVER_65, is_("registration.days", "<", 0)]}}, "abcd"),
        ({"not": {"any": [OVER_65, is_("registration.days", ">", 0)]}}, ""),
        ({"not": is_("age", "is_known")}, "d"),
    ],
)
LEAP = """
patient | birth_date
a       | 1956-02-29
b       | 1956-03-01
c       | 1956-02-28
"""
UNBORN = Spec(date(1958, 5, 31), {"raw_patients": AGES}, [(is_("age", "=", 0), "a"), (is_("age", "is_unknown"), "bcd")])
LEAP_DAY_BEFORE = Spec(date(2023, 2, 28), {"raw_patients": LEAP}, [(is_("age", "=", 67), "c")])
LEAP_DAY_AFTER = Spec(date(2023, 3, 1), {"raw_patients": LEAP}, [(is_("age", "=", 67), "abc")])
LEAP_DAY_ITSELF = Spec(date(2024, 2, 29), {"raw_patients": LEAP}, [(is_("age", "=", 68), "ac")])
TEXTS = Spec(
    date(2024, 5, 31),
    {
        "raw_patients": """
        patient | sex    | blood_type | insurance_type
        a       | female | A+         | public
        b       | male   | AB+        | private
        c       | other  | O-         | 100%_public
        d       | -      | -          | -
        """
    },
    [
        (is_("sex", "=", "female"), "a"),
        (is_("sex", "!=", "female"), "bc"),
        (is_("sex", "in", ["male", "other", "none"]), "bc"),
        (is_("sex", "is_unknown"), "d"),
        (is_("sex", "is_known"), "abc"),
        (is_("blood_type", "starts_with", "A"), "ab"),
        (is_("blood_type", "=", "O-"), "c"),
        (is_("insurance_type", "starts_with", "p"), "ab"),
        (is_("insurance_type", "starts_with", "100%_"), "c"),  # no pattern
        (is_("insurance_type", "starts_with", "%"), ""),
        (is_("insurance_type", "=", "' or true --"), ""),
    ],
)
SETS = Spec(
    date(2024, 5, 31),
    {
        "raw_patients": """
        patient | chronic_conditions | allergies
        a       | {asthma,diabetes}  | {nuts}
        b       | {asthma}           | {}
        c       | {}                 | {nuts,"bee, wasp"}
        d       | -                  | -
        """
    },
    [
        (is_("chronic_conditions", "contains_any", ["asthma", "diabetes"]), "ab"),
        (is_("chronic_conditions", "contains_all", ["asthma", "diabetes"]), "a"),
        (is_("chronic_conditions", "contains_none", ["diabetes"]), "bc"),
        ({"not": is_("chronic_conditions", "contains_any", ["diabetes"])}, "bc"),
        (is_("chronic_conditions", "is_unknown"), "d"),
        (is_("allergies", "contains_any", ["bee, wasp"]), "c"),
        (is_("allergies", "is_known"), "abc"),
    ],
)
REGISTRATION = Spec(
    date(2024, 5, 31),
    {
        "raw_patients": """
        patient | registered_on
        a       | 2024-05-31
        b       | 2024-05-01
        c       | 2024-04-30
        d       | 2024-06-01
        """
    },
    [
        (is_("registration.days", "=", 0), "a"),
        (is_("registration.days", "<=", 30), "ab"),
        (is_("registration.days", ">", 30), "c"),
        (is_("registration.days", "is_unknown"), "d"),  # not yet registered
        (is_("registration.since", ">=", "2024-05-01"), "ab"),
        (is_("registration.since", ">", "2024-05-01"), "a"),
        (is_("registration.since", "<=", "2024-05-01"), "bc"),
        (is_("registration.since", "<", "2024-05-01"), "c"),
        (is_("registration.since", "!=", "2024-05-01"), "ac"),
        (is_("registration.since", "is_known"), "abc"),
        (is_("registration.since", "is_unknown"), "d"),
    ],
)
SPECS = [AGE, TREES, UNBORN, LEAP_DAY_BEFORE, LEAP_DAY_AFTER, LEAP_DAY_ITSELF, TEXTS, SETS, REGISTRATION]
