"""A policy that forbids, whatever it says, takes access away or leaves it: it never gives any."""

import json
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from policies.access.decide import InvalidPolicies, Policies, load
from policies.access.model import DEPENDENT, Facts, KeyScope, Request, Resource, Subject, Terms
from policies.classification import CATEGORY
from policies.words import CLINIC_ROLES, PERSONAL_ROLES, PLATFORM_ROLES, Action, ConsentPurpose, Purpose
from tests.unit.test_access_policies import CASES, FOLDER, SCHEMA, request_of

TEXT = "\n".join(path.read_text() for path in sorted(FOLDER.glob("*.cedar")))
CLINICS = st.sampled_from(["north", "south"])
FIELDS = st.frozensets(st.sampled_from(sorted(CATEGORY)), max_size=4)
PEOPLE = st.sampled_from(["finch", "wren"])


def quoted(words: Any) -> st.SearchStrategy[str]:
    return st.sampled_from([str(word) for word in words]).map(lambda word: f'"{word}"')


PURPOSES, CATEGORIES = quoted(Purpose), quoted(sorted(set(CATEGORY.values())))
CONDITIONS = st.one_of(
    PURPOSES.map(lambda word: f"context.purpose == {word}"),
    PURPOSES.map(lambda word: f"context.purpose != {word}"),
    CATEGORIES.map(lambda word: f"context.categories.contains({word})"),
    quoted(sorted(CATEGORY)).map(lambda word: f"context.fields.contains({word})"),
    st.just("context.fields.isEmpty()"),
    st.sampled_from(["context has treated && context.treated", "context has guarded && context.guarded"]),
    st.sampled_from(["context.impersonated", "true", "false"]),
)
EXPRESSIONS = st.recursive(
    CONDITIONS,
    lambda inner: st.one_of(
        inner.map(lambda text: f"!({text})"),
        st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(lambda parts: f"({' '.join(parts)})"),
    ),
    max_leaves=5,
)
PRINCIPALS = st.sampled_from(["principal", "principal is Cloister::User", "principal is Cloister::ApiKey"])
ACTIONS = st.one_of(
    st.just("action"),
    st.lists(st.sampled_from(list(Action)), min_size=1, max_size=3, unique=True).map(
        lambda found: "action in [" + ", ".join(f'Cloister::Action::"{action}"' for action in found) + "]"
    ),
)


@st.composite
def forbids(draw: st.DrawFn) -> str:
    conditions = draw(st.lists(st.tuples(st.sampled_from(["when", "unless"]), EXPRESSIONS), max_size=2))
    tail = " ".join(f"{kind} {{ {text} }}" for kind, text in conditions)
    return f'@id("later") forbid ({draw(PRINCIPALS)}, {draw(ACTIONS)}, resource) {tail};'


@st.composite
def requests(draw: st.DrawFn) -> Request:
    action, clinic = draw(st.sampled_from(list(Action))), draw(CLINICS)
    resource = {
        Action.CLINIC_LIST: Resource(),
        Action.AUDIT_SEARCH: draw(st.sampled_from([Resource(), Resource(clinic)])),
        Action.CLINIC_READ: Resource(clinic),
        Action.SEGMENT_LIST: Resource(clinic),
        Action.SEGMENT_READ: Resource(clinic, segment="s"),
        Action.MEMBER_LIST: Resource(clinic, segment="s"),
        Action.PROFILE_READ: Resource(clinic, patient=True),
        Action.PERSON_READ: Resource(person=draw(st.one_of(PEOPLE, st.just(DEPENDENT)))),
        Action.ACCESS_LIST: Resource(person=draw(st.one_of(PEOPLE, st.just(DEPENDENT)))),
        Action.DEPENDENT_LIST: Resource(person=draw(PEOPLE)),
        Action.IMPERSONATION_OPEN: Resource(account=draw(humans(draw(st.sampled_from("uv"))))),
        Action.IMPERSONATION_LIST: Resource(),
        Action.IMPERSONATION_END: Resource(),
        Action.IMPERSONATION_REVIEW: Resource(person=draw(PEOPLE)),
        Action.CONSENT_CHECK: Resource(clinic, patient=True),
        Action.GUARDIAN_CHECK: Resource(clinic, patient=True),
        Action.CONSENT_TEXT_LIST: Resource(clinic),
        Action.CONSENT_TEXT_PUBLISH: Resource(clinic),
        Action.RECORD_DELETE: Resource(clinic),
        Action.RECORD_RESTORE: Resource(clinic),
        # What remains is asked of people.
    }.get(action, Resource(person=draw(st.one_of(PEOPLE, st.just(DEPENDENT)))))
    facts = Facts(draw(st.booleans()), draw(st.frozensets(st.sampled_from(list(ConsentPurpose)))), draw(st.booleans()))
    terms = Terms(draw(st.sampled_from([0, 1, 60, 61])), draw(st.sampled_from(["", "fault"])), "T-1")
    purpose = draw(st.sampled_from(list(Purpose)))
    return Request(draw(subjects()), action, resource, purpose, draw(FIELDS), facts, terms)


@st.composite
def subjects(draw: st.DrawFn) -> Subject:
    if draw(st.booleans()):
        segments = draw(st.none() | st.just(frozenset({"s"})))
        return Subject("k", key=KeyScope(draw(CLINICS), draw(FIELDS), draw(st.sampled_from(list(Purpose))), segments))
    return draw(humans("u"))


@st.composite
def humans(draw: st.DrawFn, name: str) -> Subject:
    at_clinics = st.tuples(st.sampled_from(sorted(CLINIC_ROLES)), CLINICS)
    anywhere = st.tuples(st.sampled_from(sorted(PLATFORM_ROLES | PERSONAL_ROLES)), st.none())
    roles = draw(st.frozensets(st.one_of(at_clinics, anywhere), max_size=4))
    return Subject(name, roles, person=draw(st.none() | PEOPLE), impersonated=draw(st.booleans()))


def permitted_cases() -> list[Request]:
    return [request_of(json.loads(path.read_text())) for path in CASES if path.parent.name == "ALLOW"]


PERMITTED = permitted_cases()
NUMBERED = st.integers(0, len(PERMITTED) - 1).map(PERMITTED.__getitem__)


@given(forbids(), st.lists(st.one_of(requests(), NUMBERED), min_size=1, max_size=20))
def test_adding_any_forbid_never_widens_access(forbid: str, asked: list[Request]) -> None:
    try:
        narrower = Policies(f"{TEXT}\n{forbid}", SCHEMA)
    except InvalidPolicies:
        assume(False)  # such a set could not start
    for request in asked:
        assert narrower.decide(request).permitted <= load().decide(request).permitted


def test_a_forbid_of_everything_leaves_nothing() -> None:
    nothing = Policies(f'{TEXT}\n@id("later") forbid (principal, action, resource);', SCHEMA)
    assert not any(nothing.decide(request).permitted for request in permitted_cases())
