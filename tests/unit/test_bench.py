"""Figures: what counts as met, and how they are kept."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow.compute as pc
import pytest
from rich.console import Console

from bench.harness import Figure, against, at_least, at_most, benchmark, save, show
from bench.scale import AS_OF, SCALES
from bench.scale_frames import ClinicFrames

SMALL = SCALES["small"]


def test_the_ratio_is_the_share_of_the_baselines_speed():
    assert against("a.b", seconds=4.0, baseline=2.0, goal=0.5) == Figure("a.b", 4.0, "s", 2.0, 0.5, 0.5, True)
    assert not against("a.b", seconds=4.1, baseline=2.0, goal=0.5).met


@pytest.mark.parametrize(("value", "under", "over"), [(1.9, True, False), (2.0, True, True), (2.1, False, True)])
def test_goals_are_met_on_the_line(value, under, over):
    assert at_most("a.b", value, "x", 2.0).met is under
    assert at_least("a.b", value, "x", 2.0).met is over


def test_figures_are_kept_as_a_list_of_seven_fields(tmp_path):
    path = tmp_path / "build" / "bench.json"
    save([at_most("ingest.doubling", 2.0, "x", 2.2)], path)
    assert json.loads(path.read_text()) == [
        {"name": "ingest.doubling", "value": 2.0, "unit": "x", "baseline": None, "ratio": None, "goal": 2.2,
         "met": True}
    ]  # fmt: skip


def test_the_table_shows_every_figure_and_whether_it_met_its_goal():
    console = Console(record=True, width=120)
    show([at_most("ingest.a", 1, "ms", 20), at_least("ingest.b", 5, "rows/s", 100_000)], console)
    lines = [line for line in console.export_text().splitlines() if "ingest." in line]
    assert ["yes" in line for line in lines] == [True, False]
    assert "100,000" in lines[1]


def test_a_benchmark_is_registered_by_its_name(monkeypatch):
    registered = {}
    monkeypatch.setattr("bench.harness.BENCHMARKS", registered)
    benchmark("area.what")(lambda bench: iter(()))
    assert list(registered) == ["area.what"]


def test_the_full_scale_is_that_of_the_design():
    full = SCALES["full"]
    assert (full.clinics, full.patients, full.appointments) == (100, 500_000, 5_000_000)
    assert (full.answers, full.adherence) == (2_000_000, 10_000_000)


def test_half_a_scale_keeps_its_clinics_and_has_a_database_of_its_own():
    half = SMALL.halved()
    assert half.slugs == SMALL.slugs
    assert half.patients * 2 == SMALL.patients and half.adherence * 2 == SMALL.adherence
    assert half.database != SMALL.database and half.label != SMALL.label


def test_rows_of_a_clinic_are_as_many_as_the_scale_says():
    tables = ClinicFrames(SMALL, 1).tables(clinic_id=4)
    share = {name: tables[name].num_rows * SMALL.clinics for name in tables}
    assert share["registration"] == share["person"] == share["profile"] == SMALL.patients
    assert share["appointment"] == SMALL.appointments
    assert share["form_answer"] == SMALL.answers
    assert share["adherence"] == SMALL.adherence
    assert set(tables["appointment"]["clinic_id"].to_pylist()) == {4}


def test_the_same_seed_and_clinic_give_the_same_rows():
    first, again = (ClinicFrames(SMALL, 1).tables(1) for _ in range(2))
    assert all(first[name].equals(again[name]) for name in first)
    assert not first["person"].equals(ClinicFrames(SMALL, 2).tables(1)["person"])
    assert not first["person"].equals(ClinicFrames(replace(SMALL, seed=8), 1).tables(1)["person"])


def test_rows_keep_the_checks_of_their_tables():
    tables = ClinicFrames(SMALL, 1).tables(1)
    visits, forms, days = tables["appointment"], tables["form"], tables["adherence"]
    assert pc.all(pc.less_equal(visits["booked_on"], visits["starts_on"])).as_py()
    completed = pc.equal(forms["status"], "completed")
    assert pc.equal(completed, pc.is_valid(forms["completed_at"])).to_pylist() == [True] * forms.num_rows
    assert pc.all(pc.less_equal(days["done"], days["prescribed"])).as_py()
    assert pc.min(days["prescribed"]).as_py() >= 1
    assert pc.max(tables["consent"]["occurred_at"]).as_py() < datetime.combine(AS_OF, datetime.min.time(), UTC)
