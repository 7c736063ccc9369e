"""A mapping says where its clinics are in the words that a clinic takes, or is refused before anything is read."""

from typing import Any

import pytest
from pydantic import ValidationError

from orchestration.importing.fhir.mapping import FhirMapping
from orchestration.importing.mapping import Mapping

FIELDS = {"source_id": "id", "name": "name", "registered_on": "since", "asserted_on": "since"}
CSV: dict[str, Any] = {
    "source": "desk", "files": [{"entities": [{"entity": "patient", "fields": FIELDS}]}],
}  # fmt: skip
FHIR: dict[str, Any] = {"source": "desk", "clinics": {"default": "north"}}


@pytest.mark.parametrize("zone", ["localtime", "posixrules", "europe/berlin", "Mars/Base", "../zone", ""])
def test_a_time_zone_that_no_clinic_takes_is_refused_by_its_field(zone: str) -> None:
    for kind, said in ((Mapping, CSV), (FhirMapping, FHIR)):
        with pytest.raises(ValidationError) as refused:
            kind.model_validate({**said, "time_zone": zone})
        assert [fault["loc"] for fault in refused.value.errors()] == [("time_zone",)]
        assert kind.model_validate({**said, "time_zone": "Europe/Berlin"}).time_zone == "Europe/Berlin"


@pytest.mark.parametrize("country", ["UK", "XX", "de", "DEU", ""])
def test_a_country_that_no_clinic_takes_is_refused_by_its_field(country: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Mapping.model_validate({**CSV, "country": country})
    assert [fault["loc"] for fault in refused.value.errors()] == [("country",)]
    assert Mapping.model_validate({**CSV, "country": "GB"}).country == "GB"
