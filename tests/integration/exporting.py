"""Exports as tests ask for them and look into them."""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import access_world
import httpx
from access_world import Api
from fhir.resources.R4B import get_fhir_model_class

Json = dict[str, Any]


@dataclass(frozen=True)
class Export:
    """One download, opened."""

    archive: bytes
    files: Mapping[str, bytes]

    @property
    def bundle(self) -> Json:
        found: Json = json.loads(self.files["bundle.json"])
        return found

    @property
    def manifest(self) -> Json:
        found: Json = json.loads(self.files["manifest.json"])
        return found

    @property
    def log(self) -> list[Json]:
        return [json.loads(line) for line in self.files["access-log.ndjson"].splitlines()]

    @property
    def page(self) -> str:
        return self.files["readable.html"].decode()

    def resources(self, kind: str) -> list[Json]:
        return [each["resource"] for each in self.bundle["entry"] if each["resource"]["resourceType"] == kind]


def ask(api: Api, headers: dict[str, str], clinic: str, dependent: object = None) -> httpx.Response:
    whose = "/v1/me" if dependent is None else f"/v1/me/dependents/{dependent}"
    return api.post(f"{whose}/exports", headers=headers, json={"clinic": clinic})


def export(api: Api, login: str, clinic: str, dependent: object = None) -> Export:
    """What must be given."""
    answer = ask(api, access_world.sign_in(api, login), clinic, dependent)
    assert answer.status_code == 200, answer.text
    return opened(answer.content)


def opened(archive: bytes) -> Export:
    with zipfile.ZipFile(BytesIO(archive)) as found:
        return Export(archive, {name: found.read(name) for name in found.namelist()})


def packed(files: Mapping[str, bytes]) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def validate(bundle: Json) -> None:
    """The Bundle and each of its resources against the models of R4B."""
    get_fhir_model_class("Bundle").model_validate(bundle)
    for entry in bundle["entry"]:
        resource = entry["resource"]
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
