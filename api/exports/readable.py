"""The page that a person reads: the same as the document, in plain words; no script, no address of anywhere else."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from policies.fhir.carried import Carried
from policies.patient_export import Manifest

_PROFILE = {
    "name": "Name", "birth_date": "Born", "sex": "Sex", "blood_type": "Blood type", "allergies": "Allergies",
    "chronic_conditions": "Chronic conditions", "insurance_type": "Insurance", "insurance_payer": "Insurer",
    "policy_number": "Policy number", "phone": "Phone", "email": "Email", "address": "Address",
    "emergency_contacts": "Emergency contacts",
}  # fmt: skip


def page(carried: Carried, manifest: Manifest, accesses: int) -> bytes:
    """The page as UTF-8; every value in it is escaped."""
    profile, zone = carried.profile, carried.zone
    text = _template().render(
        clinic=carried.clinic,
        zone=zone.key,
        made=f"{manifest.created.astimezone(zone):%Y-%m-%d %H:%M}",
        until=f"{manifest.expires.astimezone(zone):%Y-%m-%d}",
        issuer=manifest.issuer,
        profile=[(words, _told(profile[name])) for name, words in _PROFILE.items() if name in profile],
        guardians=carried.guardians,
        appointments=carried.appointments,
        forms=[(form, _answers(form)) for form in carried.forms],
        plans=[(plan, _sum(plan, "done"), _sum(plan, "prescribed")) for plan in carried.plans],
        consents=carried.consents,
        accesses=accesses,
    )
    return text.encode("utf-8", "replace")


def _sum(plan: Mapping[str, Any], what: str) -> int:
    return sum(day[what] for day in plan["days"])


def _told(value: Any) -> str:
    """A field of the profile in words: nothing known is no empty cell."""
    if isinstance(value, list):
        return "; ".join(_contact(each) if isinstance(each, Mapping) else str(each) for each in value) or "none"
    return "not known" if value is None else str(value)


def _contact(told: Mapping[str, Any]) -> str:
    """Whom to call; an import may have brought the name alone."""
    kin = f" ({told['relationship']})" if told["relationship"] else ""
    return f"{told['name']}{kin}" + (f", {told['phone']}" if told["phone"] else "")


def _answers(form: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each question of a form that was answered, and its answers."""
    asked = {question["id"]: question for question in form["questions"]}
    found: dict[str, list[str]] = {}
    for answer in form["answers"]:
        options = asked.get(answer["question"], {}).get("options", [])
        found.setdefault(answer["question"], []).append(_answer(answer, options))
    return [(asked.get(name, {}).get("text", name), "; ".join(given)) for name, given in found.items()]


def _answer(row: Mapping[str, Any], options: Sequence[Mapping[str, str]]) -> str:
    value = next(row[name] for name in ("number", "choice", "day", "body") if row.get(name) is not None)
    texts = {option["value"]: option["text"] for option in options}
    return f"{value:g}" if isinstance(value, float) else str(texts.get(value, value))


@cache
def _template() -> Template:
    loader = FileSystemLoader(Path(__file__).parent)
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return made.get_template("readable.html")
