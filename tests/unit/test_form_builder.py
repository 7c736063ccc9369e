"""The builder of forms: what a template says comes back from its fields, and whatever is typed is taken or named."""

from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from api.pages.admin.draft import KINDS, OPERATORS, Draft
from api.pages.admin.forms import FAULTS, NOT_VALID, RULES, faults_of
from policies.forms.standard import templates
from policies.forms.template import Template

IDS = st.sampled_from(["a", "b", "c", "No", ""])
VALUES = IDS | st.sampled_from(
    [*KINDS, *OPERATORS, "1", "-3", "0.5", "1e999", "nan", "yes", "2026-01-01", "x = y\nz", "="]
)
NAMES = st.sampled_from([
    "id", "type", "text", "required", "minimum", "maximum", "unit", "labels", "options", "longest", "earliest",
    "latest", "when", "op", "value", "sum_of", "shown_when",
])  # fmt: skip
FIELDS = st.tuples(st.sampled_from("qs"), st.integers(0, 3), NAMES).map(lambda part: f"{part[0]}{part[1]}.{part[2]}")
OWN = st.sampled_from(["title", "kind", "purpose", "due_days", "expire_days", "questions", "scores", "confidential"])
STEPS = st.sampled_from(["add", "sum", "unsum", "remove", "up", "down", "look"])
BUTTONS = st.tuples(STEPS, st.sampled_from(["0", "1", "2", "9", "x", "9" * 5000]))


def test_every_standard_form_comes_back_from_its_fields() -> None:
    for name, template in templates().items():
        draft = Draft.of(name, {**template.model_dump(), "version": 3})
        form = {key: getattr(draft, key) for key in ("title", "kind", "purpose", "due_days", "expire_days")}
        for kind, parts in (("q", draft.questions), ("s", draft.scores)):
            form |= {f"{kind}{n}.{key}": value for n, part in enumerate(parts) for key, value in part.items()}
        typed = Draft.typed({**form, "confidential": draft.confidential})
        assert Template.model_validate(typed.asked(), strict=False) == template, name


@given(st.dictionaries(FIELDS | OWN, VALUES, max_size=30), st.lists(BUTTONS, max_size=3))
def test_whatever_is_typed_is_a_template_or_named(form: dict[str, str], pressed: list[tuple[str, str]]) -> None:
    draft = Draft.typed(form)
    for what, place in pressed:
        draft.do(f"{what}-{place}", "number")
    try:
        Template.model_validate(draft.asked(), strict=False)
    except ValidationError as error:
        found = faults_of(error)
        assert found and set(found.values()) <= {*FAULTS.values(), *RULES.values(), NOT_VALID}


def test_parts_are_added_moved_and_removed() -> None:
    draft = Draft()
    for kind in ("text", "number", "date", "no_kind"):
        draft.do("add", kind)
    assert [question["id"] for question in draft.questions] == ["question_1", "question_2", "question_3"]
    draft.do("up-2", "")
    draft.do("down-0", "")
    draft.do("up-0", "")
    draft.do("down-2", "")
    assert [question["type"] for question in draft.questions] == ["date", "text", "number"]
    draft.do("remove-1", "")
    draft.do("remove-7", "")
    draft.do("add", "text")
    assert [question["id"] for question in draft.questions] == ["question_3", "question_2", "question_1"]
    draft.do("sum", "")
    draft.do("unsum-0", "")
    assert draft.scores == []
