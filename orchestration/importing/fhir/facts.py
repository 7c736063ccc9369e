"""What is said of a profile: insurance, allergies, conditions, and blood types."""

import re
from collections.abc import Iterator
from typing import Any

from orchestration.importing.fhir.rows import Left, Row, Source, Unfit, clinic_and_patient, required
from orchestration.importing.fhir.values import (
    LONGEST_TEXT,
    Body,
    coded,
    codes,
    end_of,
    first,
    start_of,
    text_of,
    whole,
)
from policies.fhir.types import is_restricted

# LOINC: ABO and Rh group in blood.
BLOOD_GROUP = "http://loinc.org|882-1"
_BLOOD = re.compile(
    r"(?:blood )?(?:group |type )?(AB|A|B|O)[ ,]*(?:Rh)? ?(?:\(?D\)?)?(?:[ ,-]*(pos|neg)(?:itive|ative)?|([+-]))",
    re.IGNORECASE,
)
# SNOMED CT: that no allergy is known.
_NO_ALLERGIES = {"716186003", "409137002", "428607008", "429625007", "1003774007"}
_NO_LONGER = {"inactive", "resolved", "remission"}
_NEVER = {"refuted", "entered-in-error"}
# The end of what is over, where nothing says since when.
_LONG_AGO = "1900-01-01"


def coverage(body: Body, source: Source) -> Iterator[Row]:
    """How a patient is insured: the type of the coverage, or else who pays."""
    payor = first(body.get("payor"))
    value = text_of(body.get("type")) or (payor.get("display") if isinstance(payor, dict) else None)
    since, until = (source.day(whole(end(body.get("period")))) for end in (start_of, end_of))
    if body.get("status") != "active":
        until = since or _LONG_AGO
    yield _fact(body, source, "insurance", value, since, until)


def allergy(body: Body, source: Source) -> Iterator[Row]:
    """Something that a patient is allergic to."""
    if codes(body.get("code")) & _NO_ALLERGIES:
        raise Left("AllergyIntolerance that says there is none")
    since = _since(body, source)
    yield _fact(body, source, "allergy", text_of(body.get("code")), since, _ended(body, source, since))


def condition(body: Body, source: Source) -> Iterator[Row]:
    """A problem; it is chronic as long as it lasts."""
    since = _since(body, source)
    over = source.day(whole(body.get("abatementDateTime") or end_of(body.get("abatementPeriod"))))
    if over is None and any(name.startswith("abatement") for name in body):
        over = since or _LONG_AGO  # at an age, say: it is over
    yield _fact(body, source, "condition", text_of(body.get("code")), since, _ended(body, source, since, over))


def blood_type(body: Body, source: Source) -> Iterator[Row]:
    """A blood group that was found."""
    if body.get("status") in ("entered-in-error", "cancelled", "registered"):
        raise Left("Observation that was not made")
    said = body.get("valueString") or text_of(body.get("valueCodeableConcept")) or ""
    found = _BLOOD.fullmatch(said.strip()) if len(said) <= LONGEST_TEXT else None
    if found is None:
        raise Unfit("value: is no blood type")
    value = found[1].upper() + ("+" if "pos" in str(found[2]).lower() or found[3] == "+" else "-")
    yield _fact(body, source, "blood_type", value, source.day(body.get("effectiveDateTime")), None)


def is_blood_type(body: Body) -> bool:
    """Whether an observation is of the blood group."""
    return BLOOD_GROUP in coded(body.get("code"))


def _fact(body: Body, source: Source, kind: str, value: str | None, since: str | None, until: str | None) -> Row:
    if is_restricted(body):
        # Guardians see all of a profile, and no part of it can be hidden from them.
        raise Unfit("meta.security: is restricted, which nothing of a profile can be")
    clinic, patient = clinic_and_patient(body, source)
    told: dict[str, Any] = {"source_id": patient, "record_id": f"{body['resourceType']}/{required(body)}"}
    told |= {"kind": kind, "value": value, "since": since, "until": until}
    return Row(("fact",), clinic, {"fact": told})


def _since(body: Body, source: Source) -> str | None:
    """Since when; of a year or a month its first day."""
    onset = body.get("onsetDateTime") or start_of(body.get("onsetPeriod")) or body.get("recordedDate")
    return source.day(whole(onset))


def _ended(body: Body, source: Source, since: str | None, over: str | None = None) -> str | None:
    """The end that it says; of what never was, or is inactive and names no end that has come, the day it began."""
    come = over is not None and over <= source.today
    never, inactive = codes(body.get("verificationStatus")) & _NEVER, codes(body.get("clinicalStatus")) & _NO_LONGER
    return (since or _LONG_AGO) if never or (inactive and not come) else over
