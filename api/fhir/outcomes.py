"""Errors under /fhir: OperationOutcomes, with the words of the problem that the other routes answer."""

from typing import Any

MEDIA_TYPE = "application/fhir+json"
BASE = "/fhir/"
# HTTP statuses as FHIR's types of issue. https://hl7.org/fhir/R4/valueset-issue-type.html
_CODES = {
    401: "login",
    404: "not-found",
    405: "not-supported",
    406: "not-supported",
    409: "conflict",
    410: "deleted",
    413: "too-long",
    415: "not-supported",
    422: "invalid",
    429: "throttled",
    503: "transient",
}
_CODES_OF_RULES = {"too_many": "too-costly", "missing": "required", "unknown_parameter": "not-supported"}


def outcome(problem: dict[str, Any]) -> dict[str, Any]:
    """The OperationOutcome of a problem: an issue for each place that it names, or one."""
    faults: list[dict[str, str]] = problem.get("errors") or [{}]
    return {"resourceType": "OperationOutcome", "issue": [_issue(problem, fault) for fault in faults]}


def _issue(problem: dict[str, Any], fault: dict[str, str]) -> dict[str, Any]:
    issue: dict[str, Any] = {
        "severity": "error",
        "code": _CODES_OF_RULES.get(fault.get("rule", ""), _CODES.get(problem["status"], "exception")),
        "details": {"text": problem["title"]},
    }
    if fault:
        said = [f"{fault['place']}: {fault['rule']}", fault.get("detail")]
        issue["diagnostics"] = ". ".join(part for part in said if part)
        # As R4 names what is wrong with the request itself.
        issue["expression"] = [f"http.{fault['place'].rpartition('.')[2]}"]
    return issue
