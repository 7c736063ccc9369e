"""Every field of a patient that leaves through the API, or lies in a mart's patients, and its category.

A field without a category cannot be served: the lookup fails. A test reads the marts' columns from
the catalogue of the database, so that a new column without a category fails the suite.
"""

from collections.abc import Iterable
from enum import StrEnum

from policies.words import Category


class Field(StrEnum):
    """The fields of a patient in a mart that the API can return of a segment's member, in the order it returns them."""

    PATIENT_ID = "patient_id"
    EXTERNAL_ID = "external_id"
    NAME = "name"
    REGISTERED_ON = "registered_on"
    BIRTH_DATE = "birth_date"
    SEX = "sex"
    BLOOD_TYPE = "blood_type"
    ALLERGIES = "allergies"
    CHRONIC_CONDITIONS = "chronic_conditions"
    INSURANCE_TYPE = "insurance_type"


class ProfileField(StrEnum):
    """The fields of one person's profile that the API can return, in the order it returns them."""

    PATIENT_ID = "patient_id"
    NAME = "name"
    BIRTH_DATE = "birth_date"
    SEX = "sex"
    BLOOD_TYPE = "blood_type"
    ALLERGIES = "allergies"
    CHRONIC_CONDITIONS = "chronic_conditions"
    INSURANCE_TYPE = "insurance_type"
    INSURANCE_PAYER = "insurance_payer"
    PHONE = "phone"
    EMAIL = "email"
    ADDRESS = "address"
    POLICY_NUMBER = "policy_number"
    EMERGENCY_CONTACTS = "emergency_contacts"


# What a guardian asks for in the place of a dependent's emergency contacts: those that they entered themselves.
ENTERED_CONTACTS = "entered_contacts"
# What a key for messages sees beside them, of those who agreed to messages.
MESSAGE_CONTACTS = (ProfileField.PHONE, ProfileField.EMAIL)
MemberField = Field | ProfileField

CATEGORY: dict[str, Category] = {
    "patient_id": Category.IDENTIFIER,
    "external_id": Category.IDENTIFIER,
    "name": Category.NAME,
    "registered_on": Category.CLINICAL,
    "birth_date": Category.PROFILE,
    "sex": Category.PROFILE,
    "blood_type": Category.PROFILE,
    "allergies": Category.PROFILE,
    "chronic_conditions": Category.PROFILE,
    "insurance_type": Category.PROFILE,
    "insurance_payer": Category.PROFILE,
    "phone": Category.CONTACT,
    "email": Category.CONTACT,
    "address": Category.CONTACT,
    "policy_number": Category.CONTACT,
    "emergency_contacts": Category.CONTACT,
    ENTERED_CONTACTS: Category.CONTACT,
    "records": Category.CLINICAL,
    "body": Category.FREE_TEXT,
    "profile_shared": Category.TECHNICAL,
    "profile_until": Category.TECHNICAL,
    "version": Category.TECHNICAL,
}

# What the pipeline reads of a patient, by asset of a clinic's mart.
ASSET_CATEGORIES: dict[str, list[str]] = {
    "patients": sorted([Category.IDENTIFIER, Category.NAME, Category.PROFILE]),
    "appointments": [Category.CLINICAL],
    "forms": [Category.CLINICAL],
    "adherence": [Category.CLINICAL],
}

# Breakdowns of a segment that derive from the profile; the others derive from the clinic's records.
PROFILE_DIMENSIONS = ("age", "sex", "insurance")


_WITH_CONSENT = frozenset({Category.PROFILE, Category.CONTACT})


def categories(fields: Iterable[str]) -> list[str]:
    """The categories of these fields, sorted.

    Raises:
        KeyError: a field has no category.
    """
    return sorted({CATEGORY[field].value for field in fields})


def needs_consent(field: str) -> bool:
    """Whether a clinic may see a field only while the patient shares the profile with it."""
    return CATEGORY[field] in _WITH_CONSENT


def is_contact(field: str) -> bool:
    """Whether a field is stored encrypted, under its person's own data key."""
    return CATEGORY[field] is Category.CONTACT
