"""The policies, parsed once, and the decision they make: deny unless one permits and none forbids."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from importlib.resources import files

import cedarpy

from policies.access.entities import REMEMBERED, entities, question
from policies.access.model import Request
from policies.access.states import in_states
from policies.words import Action, Decision


class InvalidPolicies(ValueError):
    """The policies do not parse, break their schema, or one has no @id."""


@dataclass(frozen=True)
class Ruling:
    """A decision, the ids of the policies that made it, and the version of the whole set."""

    decision: Decision
    policies: tuple[str, ...]
    policy_version: str

    @property
    def permitted(self) -> bool:
        """Whether the request may go on."""
        return self.decision is Decision.PERMIT


@dataclass(frozen=True)
class Rulings:
    """A ruling for each state that the one asked for may be in, as `states` numbers them, and what is then shown."""

    rulings: tuple[Ruling, ...]
    requests: tuple[Request, ...]

    @property
    def permitted(self) -> bool:
        """Whether there is any state in which the request may go on."""
        return any(ruling.permitted for ruling in self.rulings)

    @cached_property
    def arrays(self) -> tuple[str, str, str]:
        """Decisions, policies and categories by the state's number, as texts of PostgreSQL arrays.

        Policies and categories of one state are joined by commas; their names have none.
        """
        return (
            _array(ruling.decision.value for ruling in self.rulings),
            _array(",".join(ruling.policies) for ruling in self.rulings),
            _array(",".join(request.categories) for request in self.requests),
        )


class Policies:
    """A validated set of policies. Immutable, and safe to share between threads."""

    def __init__(self, policies: str, schema: str) -> None:
        try:
            checked = cedarpy.validate_policies(policies, cedarpy.Schema.from_str(schema))
            judges = cedarpy.PolicySet.from_str(policies)
        except ValueError as error:
            raise InvalidPolicies(str(error)) from None
        if not checked.validation_passed:
            raise InvalidPolicies("; ".join(str(error) for error in checked.errors))
        if policies.count("@id(") != len(judges):
            raise InvalidPolicies("every policy needs an @id")
        self._named = _named(policies)
        self._about = cache(self._about_action)
        self.version = hashlib.sha256(f"{schema}\0{policies}".encode()).hexdigest()[:16]
        # A decision hangs on nothing but the request and this set, so a request seen before needs no new one.
        self.in_every_state = lru_cache(REMEMBERED)(self._in_every_state)

    def decide(self, request: Request) -> Ruling:
        """Decide one request. A policy that cannot be evaluated denies: it fails closed."""
        return self._decide([request])[0]

    def _in_every_state(self, request: Request) -> Rulings:
        """Decide a request about a patient or person for each state that the database may find them in."""
        requests = in_states(request)
        return Rulings(tuple(self._decide(requests)), requests)

    def _decide(self, requests: Sequence[Request]) -> list[Ruling]:
        """Decide requests that differ in their context alone."""
        judges = self._about(requests[0].action)
        answers = cedarpy.is_authorized_batch([question(r) for r in requests], judges, entities(requests[0]))
        return [self._ruling(answer) for answer in answers]

    def _about_action(self, action: Action) -> cedarpy.PolicySet:
        """The policies that name an action, or all: the others say nothing of it, and cost half of a decision."""
        return cedarpy.PolicySet.from_str(
            "\n".join(text for named, text in self._named if not named or action in named)
        )

    def _ruling(self, answer: cedarpy.AuthzResult) -> Ruling:
        names: Iterable[str] = answer.diagnostics.id_annotations_by_reason.values()
        permitted = answer.allowed and not answer.diagnostics.errors
        return Ruling(Decision.PERMIT if permitted else Decision.DENY, tuple(sorted(names)), self.version)


def _named(policies: str) -> list[tuple[frozenset[str], str]]:
    """Each policy's text, and the actions that it names: none where it is about all of them.

    Raises:
        InvalidPolicies: one names a group of actions, of which nobody here would know the members.
    """
    found = []
    for key, policy in (whole := json.loads(cedarpy.policies_to_json_str(policies)))["staticPolicies"].items():
        scope = policy["action"]
        entities = [] if scope["op"] == "All" else scope.get("entities") or [scope["entity"]]
        actions = frozenset(entity["id"] for entity in entities)
        if unknown := actions - set(Action):
            raise InvalidPolicies(f"no single action: {', '.join(sorted(unknown))}")
        text = cedarpy.policies_from_json_str(json.dumps({**whole, "staticPolicies": {key: policy}}))
        found.append((actions, text))
    return found


def _array(texts: Iterable[str]) -> str:
    return "{" + ",".join(f'"{text}"' for text in texts) + "}"


@cache
def load() -> Policies:
    """The policies of this package.

    Raises:
        InvalidPolicies: they do not parse or break their schema.
    """
    folder = files("policies.access")
    texts = sorted((item.name, item.read_text()) for item in folder.iterdir() if item.name.endswith(".cedar"))
    return Policies("\n".join(text for _, text in texts), (folder / "schema.cedarschema").read_text())
