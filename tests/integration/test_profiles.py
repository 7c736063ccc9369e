"""A clinic sees a name; the rest of a profile only while the patient shares it, and only who treats them."""

from typing import Any

import access_world
from access_world import BIRTH, CONTACTS, FINCH, Api, World

PROFILE = "/v1/clinics/{}/patients/{}/profile"


def read(api: Api, headers: dict[str, str], clinic: str, patient: object) -> Any:
    return api.get(PROFILE.format(clinic, patient), headers=headers)


def test_a_specialist_reads_the_shared_profile_of_an_own_patient(world: World, api: Api) -> None:
    headers = access_world.sign_in(api, "specialist.north")
    answer = read(api, headers, "north", world.patients["north", FINCH])
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "patient_id": str(world.patients["north", FINCH]), "name": FINCH, "birth_date": BIRTH, "sex": "female",
        "blood_type": None, "allergies": None, "chronic_conditions": None, "insurance_type": "x", **CONTACTS,
    }  # fmt: skip
