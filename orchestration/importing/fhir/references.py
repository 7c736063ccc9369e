"""Whom or what a reference means: `Type/id`, `Type?system|value` where it names an identifier, `urn:…` of a Bundle.

An absolute address is the source's own only if the mapping says that it is: two servers number their patients alike.
"""

import re
from typing import Any
from urllib.parse import unquote

from orchestration.importing.fhir.values import objects

_CONDITIONAL = re.compile(r"([A-Za-z]+)\?identifier=(.+)")
_LITERAL = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/.*)?")
URN = "urn:uuid:"


def reference(found: Any, expected: str, base: str | None = None) -> str | None:
    """What a Reference means; `expected` is the type of those that name none. None: it means nothing out here.

    `base` is the address of the source's own server.
    """
    if not isinstance(found, dict):
        return None
    text = found.get("reference")
    if isinstance(text, str):
        return _of_text(text.removeprefix(f"{base.rstrip('/')}/") if base else text, expected)
    identifier = found.get("identifier")
    return f"{found.get('type', expected)}?{_value(identifier)}" if isinstance(identifier, dict) else None


def _of_text(text: str, expected: str) -> str | None:
    if text.startswith(URN):
        return f"urn:{expected}/{text[len(URN) :]}"
    if conditional := _CONDITIONAL.fullmatch(text):
        return f"{conditional[1]}?{unquote(conditional[2])}"
    if literal := _LITERAL.fullmatch(text):
        return f"{literal[1]}/{literal[2]}"
    return None


def identifiers(body: dict[str, Any]) -> list[str]:
    """`Type?system|value` of each identifier of a resource."""
    return [f"{body['resourceType']}?{_value(each)}" for each in objects(body.get("identifier")) if "value" in each]


def _value(identifier: dict[str, Any]) -> str:
    return f"{identifier.get('system', '')}|{identifier.get('value', '')}"
