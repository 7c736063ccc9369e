"""Segment templates: the mission's examples, with the values that a clinic chooses."""

import json
import re
from typing import Any

import pytest

from policies.forms.standard import templates as forms
from policies.segments.definition import parse_segments
from policies.segments.rule import RuleError, parse_rule
from policies.segments.templates import Parameter, ParameterType, SegmentTemplate, segment_templates
from policies.segments.text import read
from tests.conftest import ROOT


def test_unless_told_otherwise_they_are_the_missions_segments() -> None:
    missions = parse_segments((ROOT / "samples" / "mission.rules.json").read_text())
    assert {s.slug: s.rule for s in missions} == {t: s.with_values({}) for t, s in segment_templates().items()}
    assert {s.slug: s.name for s in missions} == {t: s.name for t, s in segment_templates().items()}


def test_the_forms_that_they_name_are_standard_ones() -> None:
    named = {p.default for s in segment_templates().values() for p in s.parameters if p.name == "form"}
    assert named == {"intake", "pain"} and named <= set(forms())
    assert "score" in {question.id for question in forms()["pain"].questions}


@pytest.mark.parametrize("template", segment_templates().values(), ids=lambda template: template.template)
def test_each_number_and_window_of_a_template_is_the_clinics_choice_but_for_none_at_all(
    template: SegmentTemplate,
) -> None:
    fixed = re.sub(r"\{[a-z_]+\}", "", template.rule)
    assert {found.strip() for found in re.findall(r"[^\s(]*\s?\d\S*", fixed)} <= {"= 0"}


def test_values_that_a_clinic_chooses_stand_in_the_rule() -> None:
    elders = segment_templates()["over-65-low-adherence"]
    assert elders.with_values({"age": 70, "window": "2mo"}) == read("age > 70 and adherence.completion_rate(2mo) < 0.5")
    odd = 'a" or age > 0 {days}'
    named = segment_templates()["new-without-intake"].with_values({"form": odd})
    intake = {"measure": "forms.completed", "form": odd, "op": "=", "value": 0}
    assert named == parse_rule({"all": [{"measure": "registration.days", "op": "<=", "value": 30}, intake]})


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({"age": "70"}, "age"), ({"age": -1}, "age"), ({"age": 131}, "age"), ({"age": float("nan")}, "age"),
        ({"age": True}, "age"), ({"window": "30 days"}, "window"), ({"window": "1d) or age > (1"}, "window"),
        ({"window": ""}, "window"), ({"window": 30}, "window"), ({"height": 1}, "height"),
        ({"no name": 1}, ""),
    ],
    ids=lambda found: json.dumps(found),
)  # fmt: skip
def test_a_value_that_is_none_is_refused_by_the_name_of_its_parameter(values: dict[str, Any], place: str) -> None:
    with pytest.raises(RuleError) as refused:
        segment_templates()["over-65-low-adherence"].with_values(values)
    assert refused.value.place == place


def test_a_parameter_that_there_is_not_is_refused_with_those_that_were_meant() -> None:
    with pytest.raises(RuleError, match="no parameter 'windw': did you mean 'window'"):
        segment_templates()["over-65-low-adherence"].with_values({"windw": "1d"})


def test_values_that_each_fit_and_make_no_rule_together_are_refused() -> None:
    bounds = [
        Parameter(name=name, type=ParameterType.NUMBER, meaning="A bound.", default=1) for name in ("low", "high")
    ]
    between = SegmentTemplate(
        template="x", name="X", description="", rule="age between {low} and {high}", parameters=bounds
    )
    assert between.with_values({"low": 1, "high": 1}) == read("age between 1 and 1")
    with pytest.raises(RuleError, match="the lower bound first") as refused:
        between.with_values({"low": 2})
    assert refused.value.place == ""
