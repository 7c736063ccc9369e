"""Policies with one mistake each, made from the JSON form of Cedar: what the cases have to notice.

Each operator stands for a slip of a pen: a policy left out, permit for forbid, a scope without its
type, an action left out or any action, a condition left out or turned round, `&&` for `||`, one side
of either left out, `==` for `!=`, another role, attribute or word, a set with one member more or less.
"""

import json
from collections.abc import Iterator
from typing import Any

import cedarpy

from policies.words import Category, ConsentPurpose, Purpose

Json = Any
CLINIC_SETS = ("staffOf", "specialistOf", "managerOf", "auditorOf")
FACTS = ("treated", "guarded")
BOUNDS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
ROLES = ("platform_admin", "platform_auditor", "patient", "guardian")
VOCABULARIES: list[list[str]] = [[*Purpose], [*Category], [*ConsentPurpose], list(ROLES)]


def mutants(text: str) -> Iterator[tuple[str, str, str]]:
    """Policy and mistake of every mutant, valid or not, with its text, which is empty where it is left out."""
    for policy in json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"].values():
        for what, mutant in _policy(policy):
            yield policy["annotations"]["id"], what, text_of(mutant) if mutant else ""


def text_of(policy: Json) -> str:
    """One policy in Cedar's own form, from its JSON form."""
    alone = {"templates": {}, "templateLinks": [], "staticPolicies": {"policy0": policy}}
    return cedarpy.policies_from_json_str(json.dumps(alone))


def _policy(policy: Json) -> Iterator[tuple[str, Json]]:
    yield "left out", None
    yield "effect turned", {**policy, "effect": "forbid" if policy["effect"] == "permit" else "permit"}
    for part in ("principal", "resource"):
        if policy[part]["op"] != "All":
            yield f"any {part}", {**policy, part: {"op": "All"}}
    yield from _actions(policy)
    for index, condition in enumerate(policy["conditions"]):
        rest = policy["conditions"][:index] + policy["conditions"][index + 1 :]
        yield f"condition {index} left out", {**policy, "conditions": rest}
        other = {**condition, "kind": "unless" if condition["kind"] == "when" else "when"}
        yield f"condition {index} turned", {**policy, "conditions": [*rest, other]}
        for what, body in _expression(condition["body"]):
            yield f"condition {index} {what}", {**policy, "conditions": [*rest, {**condition, "body": body}]}


def _actions(policy: Json) -> Iterator[tuple[str, Json]]:
    scope = policy["action"]
    if scope["op"] == "All":
        return
    entities = scope.get("entities") or [scope["entity"]]
    yield "any action", {**policy, "action": {"op": "All"}}
    # One action in another's place is noticed by whatever notices that the other is missing.
    for index, entity in enumerate(entities):
        if len(entities) > 1:
            fewer = entities[:index] + entities[index + 1 :]
            yield f"without {entity['id']}", {**policy, "action": {"op": "in", "entities": fewer}}


def _expression(node: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    """Every way to get one thing of an expression wrong."""
    yield from ((f"{path} {what}".strip(), wrong) for what, wrong in _here(node))
    if isinstance(node, dict):
        for key, child in node.items():
            for what, wrong in _expression(child, f"{path}/{key}"):
                yield what, {**node, key: wrong}
    elif isinstance(node, list):
        for index, child in enumerate(node):
            for what, wrong in _expression(child, f"{path}/{index}"):
                yield what, [*node[:index], wrong, *node[index + 1 :]]


def _here(node: Json) -> Iterator[tuple[str, Json]]:
    if not isinstance(node, dict) or len(node) != 1:
        return
    ((operator, given),) = node.items()
    if operator in ("&&", "||"):
        yield "left alone", given["left"]
        yield "right alone", given["right"]
        yield "other junction", {"||" if operator == "&&" else "&&": given}
    elif operator in ("==", "!="):
        yield "turned", {"!=" if operator == "==" else "==": given}
    elif operator in BOUNDS:
        yield "bound moved", {BOUNDS[operator]: given}
    elif operator == "!":
        yield "without its not", given["arg"]
    elif operator in ("contains", "in", "has", "isEmpty", "if-then-else"):
        yield "turned", {"!": {"arg": node}}
    if operator == "if-then-else":
        yield "then always", given["then"]
        yield "else always", given["else"]
    yield from _sets(operator, given)
    yield from _names(operator, given)


def _sets(operator: str, given: Json) -> Iterator[tuple[str, Json]]:
    if operator in ("containsAll", "containsAny"):
        yield "all for any", {"containsAny" if operator == "containsAll" else "containsAll": given}
        yield "sides changed", {operator: {"left": given["right"], "right": given["left"]}}
        yield "turned", {"!": {"arg": {operator: given}}}
    if operator == "Set":
        for index in range(len(given) if len(given) > 1 else 0):
            yield f"without {given[index].get('Value')}", {"Set": given[:index] + given[index + 1 :]}
        words = [item["Value"] for item in given if isinstance(item.get("Value"), str)]
        for word in _alternatives(words):
            yield f"with {word}", {"Set": [*given, {"Value": word}]}


def _names(operator: str, given: Json) -> Iterator[tuple[str, Json]]:
    if operator == "." and given["attr"] in CLINIC_SETS:
        for attribute in CLINIC_SETS:
            if attribute != given["attr"]:
                yield f"{given['attr']} became {attribute}", {".": {**given, "attr": attribute}}
    elif operator == "Value" and isinstance(given, str):
        for word in _alternatives([given]):
            yield f"{given} became {word}", {"Value": word}
    elif operator == "Value" and isinstance(given, dict) and "__entity" in given:
        entity = given["__entity"]
        for word in _alternatives([entity["id"]]):
            yield f"{entity['id']} became {word}", {"Value": {"__entity": {**entity, "id": word}}}


def _alternatives(words: list[str]) -> list[str]:
    """Other words of the vocabulary that all of these belong to."""
    for vocabulary in VOCABULARIES:
        if words and set(words) <= set(vocabulary):
            return [str(word) for word in vocabulary if word not in words]
    return []
