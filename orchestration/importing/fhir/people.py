"""Patients, their guardians, and their consents."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from infra.encryption.contacts import canonical
from infra.errors import InvalidInput
from orchestration.importing.fhir.rows import Left, Note, NotYet, Row, Source, Unfit, clinic_and_patient, required
from orchestration.importing.fhir.values import (
    Body,
    an_object,
    coded,
    codes,
    end_of,
    extended,
    first,
    objects,
    over_at,
    text_of,
    whole,
)
from policies.fhir.types import ESTIMATED

# HL7 v3 RoleCode: parents of any kind, and guardians.
GUARDIANS = re.compile(r"GUARD|(N|STP|ADOPT|FOST|GEST)?(PRN|MTH|FTH)(FOST|ADOPT)?|PRNFOST|HPOWATT|POWATT")
# HL7 v2 table 0131: whom to call in an emergency.
EMERGENCY = "C"
# As many as a profile has.
MOST_CALLED = 5
# What a provision may say without limiting the consent; its period and purposes are looked at.
_UNLIMITED = {"id", "extension", "type", "period", "purpose"}
_SEX = ("female", "male", "other", "unknown")


def patient(body: Body, source: Source) -> Iterator[Row | Note]:
    """A patient at each clinic that they visited, or that the resource names, or that is the default."""
    own, key = required(body), f"Patient/{body.get('id')}"
    homes = source.index.homes_of(key)
    place = source.index.means(body.get("managingOrganization"), "Organization")
    if place is not None or not homes:
        if (slug := source.index.clinic_of([place])) is None:
            raise Unfit("clinic: is named nowhere")
        homes.setdefault(slug, None)
    name, born = _name(body), body.get("birthDate")
    estimated = born is not None and re.fullmatch(r"\d{4}(-\d{2})?", str(born)) is not None
    if estimated:
        born = whole(born)
    elif born is not None and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", str(born)):
        yield Note("birth_date: names no day")
        born = None
    record_number = next((each for each in objects(body.get("identifier")) if "MR" in codes(each.get("type"))), {})
    updated = an_object(body.get("meta")).get("lastUpdated")
    subscriber = next((each for each in objects(body.get("identifier")) if "SN" in codes(each.get("type"))), {})
    told = {
        "source_id": own,
        "external_id": record_number.get("value"),
        "name": name,
        "birth_date": born,
        "estimated": "yes" if estimated or extended(body, ESTIMATED).get("valueBoolean") is True else None,
        "sex": body["gender"] if body.get("gender") in _SEX else None,
        "address": _address(first(body.get("address"))),
        "policy_number": subscriber.get("value"),
        "emergency_contacts": _emergency_contacts(body),
        "asserted_on": source.day(updated),
    }
    for number, (slug, day) in enumerate(homes.items()):
        contacts, notes = _contacts(body, source.countries.get(slug))
        yield from () if number else notes
        since = source.mapping.registered_on or day or source.day(updated) or source.today
        yield Row(("patient",), slug, {"patient": {**told, **contacts, "registered_on": str(since)}})


def related_person(body: Body, source: Source) -> Iterator[Row | Note]:
    """Somebody who manages a patient, or did; other relations are nobody whom the platform knows."""
    kinds = [kind for each in objects(body.get("relationship")) for kind in codes(each)]
    if not any(GUARDIANS.fullmatch(kind) for kind in kinds):
        raise Left("RelatedPerson who is no guardian")
    ends = [source.day(whole(end_of(body.get("period")))), source.today if body.get("active") is False else None]
    until = min(filter(None, ends), default=None)
    over = until is not None and until <= source.today
    clinic, managed = clinic_and_patient(body, source)
    # Nobody writes to who is a guardian no more.
    contacts, notes = ({}, []) if over else _contacts(body, source.countries.get(clinic))
    yield from notes
    told = {
        "source_id": managed,
        "guardian_id": f"RelatedPerson/{required(body)}",
        "name": _name(body),
        "relationship": text_of(first(body.get("relationship"))) or "guardian",
        "address": None if over else _address(first(body.get("address"))),
        "until": until,
    }
    yield Row(("guardian",), clinic, {"guardian": {**told, **contacts}})


def consent(body: Body, source: Source) -> Iterator[Row | Note]:
    """A consent with its evidence: the version of the text, who signed, when, and until when it stands or stood."""
    if body.get("status") in ("draft", "proposed", "entered-in-error"):
        raise Left(f"Consent that is {body['status']}")
    provision = an_object(body.get("provision"))
    said = [*objects(body.get("category")), body.get("scope")]
    asked = [f"{each.get('system', '')}|{each.get('code')}" for each in objects(provision.get("purpose"))]
    named = [code for each in said for code in coded(each)] + asked
    purposes = {source.mapping.consents[code] for code in named if code in source.mapping.consents}
    if not purposes:
        raise Unfit("category: is no purpose of the mapping")
    limits = {name for name, said in provision.items() if said} - _UNLIMITED
    limits |= set(provision.get("period") or ()) - {"end"} | set(asked) - set(source.mapping.consents)
    if limits:
        raise Unfit("provision: limits the consent in a way that is not known here")
    organizations = body.get("organization") or []
    if len(organizations) > 1:
        raise Unfit("organization: is more than one")
    clinic, signed_for = clinic_and_patient(body, source, first(organizations))
    end = over_at(end_of(provision.get("period")), source.zone)
    # What is inactive and has ended ended by itself; of what has not, or names no end, the consent was taken back.
    stood = body.get("status") == "active" or (
        body.get("status") == "inactive" and end is not None and end <= datetime.now(UTC)
    )
    signed = stood and provision.get("type", "permit") == "permit"
    told = {
        "source_id": signed_for,
        "kind": "signed" if signed else "revoked",
        "text_version": next((each["uri"] for each in objects(body.get("policy")) if each.get("uri")), None)
        or text_of(body.get("policyRule")),
        "signer_id": _signer(body, source),
        "occurred_at": source.instant(body.get("dateTime")),
        "expires_at": end.isoformat() if signed and end else None,
        "channel": "fhir",
    }
    for purpose in sorted(purposes):
        yield Row(("consent",), clinic, {"consent": {**told, "purpose": purpose}})


def _signer(body: Body, source: Source) -> str | None:
    """The source's id of who signed: a patient, or a guardian who came as a RelatedPerson."""
    named = source.index.means(first(body.get("performer")), "Patient")
    key = source.index.resolve(named)
    if key is None and named is not None:
        raise NotYet(Unfit("signer_id: is missing"))
    if key is not None and key.startswith("RelatedPerson/"):
        return key
    return key.partition("/")[2] if key is not None and key.startswith("Patient/") else None


def _name(body: Body) -> str:
    names = list(objects(body.get("name")))
    if not names:
        raise Unfit("name: is missing")
    chosen = next((each for each in names if each.get("use") == "official"), names[0])
    given = [each for each in chosen.get("given") or [] if isinstance(each, str)]
    said = chosen.get("text") or " ".join([*given, str(chosen.get("family") or "")])
    name = " ".join(str(said).split())
    if not name:
        raise Unfit("name: is missing")
    return name


def _address(found: Any) -> str | None:
    if not isinstance(found, dict):
        return None
    lines = [each for each in found.get("line") or [] if isinstance(each, str)]
    parts = [*lines, found.get("postalCode"), found.get("city"), found.get("state"), found.get("country")]
    return found.get("text") or ", ".join(str(part) for part in parts if part) or None


def _emergency_contacts(body: Body) -> str | None:
    """Whom to call: a list as people edit it, as JSON; one of whom there is a name alone as that."""
    contacts = [each for each in objects(body.get("contact")) if _is_called(each)]
    called = [
        {
            "name": str(an_object(each.get("name")).get("text") or ""),
            "relationship": _first_text(each.get("relationship"), "text"),
            "phone": _first_text([by for by in objects(each.get("telecom")) if by.get("system") == "phone"], "value"),
        }
        for each in contacts
    ]
    named = [each for each in called if each["name"]][:MOST_CALLED]
    if len(named) == 1 and not named[0]["relationship"] and not named[0]["phone"]:
        return named[0]["name"]
    return json.dumps(named, ensure_ascii=False) if named else None


def _is_called(contact: Body) -> bool:
    return any(EMERGENCY in codes(kind) for kind in objects(contact.get("relationship")))


def _first_text(found: Any, name: str) -> str:
    return next((str(each[name]) for each in objects(found) if name in each), "")


def _contacts(body: Body, country: str | None) -> tuple[dict[str, str], list[Note]]:
    """The first phone and email; one that is none is noted, and does not keep the patient out."""
    found: dict[str, str] = {}
    notes: list[Note] = []
    for each in objects(body.get("telecom")):
        field, value = each.get("system"), each.get("value")
        if field in ("phone", "email") and field not in found and isinstance(value, str):
            try:
                found[field] = canonical(field, value, country or "ZZ")
            except InvalidInput as error:
                notes.append(Note(f"{field}: {error.message}"))
    return found, notes
