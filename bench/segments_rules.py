"""Rules that the benchmarks put into every clinic: twenty segments, twelve measures among them."""

import json
from pathlib import Path

from policies.segments.definition import SegmentDefinition, parse_segments

MISSION = Path(__file__).parent.parent / "samples" / "mission.rules.json"

# The first five name all twelve measures, so that the other fifteen cost their verdicts and members alone.
TWENTY = {
    "over-65-low-adherence": "age > 65 and adherence.completion_rate(30d) < 0.5",
    "new-without-intake": 'registration.days <= 30 and forms.completed(form="intake") = 0',
    "high-pain-not-seen": (
        'answers.latest(form="pain", question="score") >= 7 and appointments.count(3mo, status=["fulfilled"]) = 0'
    ),
    "drifting-away": "appointments.noshow_rate(1y) > 0.3 and appointments.days_since_last > 90 and forms.overdue >= 2",
    "chronic-idle-private": (
        'chronic_conditions contains any ["diabetes", "hypertension"] and insurance_type = "private"'
        " and adherence.days_since_last > 14"
    ),
    "children": "age < 14",
    "uninsured-in-pain": (
        'insurance_type = "self_pay" and answers.latest(form="pain", question="score") between 8 and 10'
    ),
    "asthma-over-60": 'chronic_conditions contains all ["asthma"] and age >= 60',
    "new-and-regular": 'registration.days <= 60 and appointments.count(3mo, status=["fulfilled"]) >= 2',
    "never-did-an-exercise": "adherence.days_since_last is unknown and registration.days > 900",
    "diligent": "adherence.completion_rate(30d) >= 0.8",
    "misses-half": "appointments.noshow_rate(1y) >= 0.5",
    "not-seen-for-a-year": "appointments.days_since_last > 365",
    "many-forms-open": "forms.overdue >= 3",
    "intake-again": 'forms.completed(form="intake") >= 4',
    "pain-gone": 'answers.latest(form="pain", question="score") = 0 and adherence.completion_rate(30d) >= 0.5',
    "often-here": 'appointments.count(3mo, status=["fulfilled"]) >= 3',
    "depression-and-missing": 'chronic_conditions contains any ["depression"] and appointments.noshow_rate(1y) > 0.4',
    "private-without-plan": (
        'insurance_type in ["private", "self_pay"] and not (adherence.days_since_last <= 30 or age < 60)'
    ),
    "old-and-new": 'age > 80 and (registration.days < 100 or forms.completed(form="intake") = 0)',
}
FIVE = dict(list(TWENTY.items())[:5])


def mission() -> dict[str, str]:
    """The mission's three example segments, as the sample ships them: slug to rule."""
    return {found["slug"]: found["rule"] for found in json.loads(MISSION.read_text())}


def definitions(rules: dict[str, object] | dict[str, str]) -> list[SegmentDefinition]:
    """The rules as a file of segments would bring them."""
    return parse_segments(json.dumps([{"slug": slug, "name": slug, "rule": rule} for slug, rule in rules.items()]))
