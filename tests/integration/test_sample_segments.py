"""The synthetic sample through the whole pipeline: the mission's segments hold whom polars finds in the files."""

from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import psycopg
import pytest
from psycopg.rows import dict_row

from api.segments.explaining_shown import patient_of
from infra.database import Server
from infra.sample.generate import generate, write
from policies.segments.explanation import explain
from policies.segments.rule import parse_rule
from tests.integration.importing import bring, evaluate, quarantined

AS_OF = date(2025, 11, 22)
PATIENT = ["clinic", "person_id"]
Frames = dict[str, pl.DataFrame]


@pytest.mark.check(12)
def test_the_missions_segments_have_the_members_that_the_files_give(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    sample = generate(400, 2, 7, AS_OF)
    bring(server, "sample.mapping.yml", *write(sample, tmp_path).values())
    assert quarantined(admin, server) == []

    made = sample["clinics"]["slug"].to_list()
    counts = evaluate(server, "mission.rules.json", AS_OF, made)
    expected = {
        "over-65-low-adherence": _over_65_low_adherence(sample).join(_sharing(sample), on=PATIENT),
        "new-without-intake": _new_without_intake(sample),
        "high-pain-not-seen": _high_pain_not_seen(sample),
    }
    found = {(count.clinic, count.segment): count.members for count in counts}
    assert found == {(clinic, slug): _at(rows, clinic) for slug, rows in expected.items() for clinic in made}
    # Nobody of these numbers is 0 by accident, and consent makes a difference.
    assert all(found.values())
    assert expected["over-65-low-adherence"].height < _over_65_low_adherence(sample).height
    # Explained one by one, they are the same patients.
    for slug in expected:
        assert _explained_members(admin, made[0], slug) == _members(admin, made[0], slug)


def _members(admin: psycopg.Connection, clinic: str, slug: str) -> set[object]:
    rows = admin.execute(
        f"select m.patient_id from clinic_{clinic}.segment_member as m"
        f" inner join clinic_{clinic}.segment as s using (segment_id) where s.slug = %s and m.left_at is null",
        [slug],
    )
    return {row[0] for row in rows}


def _explained_members(admin: psycopg.Connection, clinic: str, slug: str) -> set[object]:
    schema = f"clinic_{clinic}"
    (rule,) = admin.execute(
        f"select v.rule from {schema}.segment_version as v inner join {schema}.segment as s using (segment_id, version)"
        " where s.slug = %s",
        [slug],
    ).fetchone() or (None,)
    facts = ", ".join(
        f"(select coalesce(jsonb_agg(to_jsonb(f)), '[]') from {schema}.{table} as f"
        f" where f.patient_id = p.patient_id) as {table}"
        for table in ("raw_appointments", "raw_forms", "raw_answers", "raw_adherence")
    )
    patients = admin.cursor(row_factory=dict_row).execute(f"select p.*, {facts} from {schema}.raw_patients as p")
    explained = {row["patient_id"]: explain(parse_rule(rule), patient_of(row), AS_OF) for row in patients}
    return {patient for patient, found in explained.items() if found.whole.holds}


def _at(rows: pl.DataFrame, clinic: str) -> int:
    return Counter(rows["clinic"].to_list())[clinic]


def _sharing(sample: Frames) -> pl.DataFrame:
    events = sample["consents"].filter(purpose="profile_sharing").sort("occurred_at")
    state = events.group_by(PATIENT, maintain_order=True).agg(pl.last("kind"))
    return state.filter(kind="signed").select(PATIENT)


def _over_65_low_adherence(sample: Frames) -> pl.DataFrame:
    old = sample["patients"].filter(pl.col("birth_date").dt.offset_by("66y") <= AS_OF)
    recent = sample["adherence"].filter(pl.col("day") > AS_OF - timedelta(days=30), pl.col("day") <= AS_OF)
    rate = recent.group_by(PATIENT).agg((pl.col("done").sum() / pl.col("prescribed").sum()).alias("rate"))
    return old.join(rate.filter(pl.col("rate") < 0.5), on=PATIENT)


def _new_without_intake(sample: Frames) -> pl.DataFrame:
    new = sample["patients"].filter(pl.col("registered_on") >= AS_OF - timedelta(days=30))
    return new.join(sample["forms"].filter(template="intake", status="completed"), on=PATIENT, how="anti")


def _high_pain_not_seen(sample: Frames) -> pl.DataFrame:
    pain = sample["answers"].filter(template="pain", question="score")
    assert pain.select(*PATIENT, "answered_at").is_unique().all(), "the latest answer is one"
    latest = pain.sort("answered_at").group_by(PATIENT, maintain_order=True).agg(pl.last("number"))
    seen = pl.concat(_attended_on(sample, *clinic) for clinic in sample["clinics"].select("slug", "time_zone").rows())
    recent = seen.filter(pl.col("day") > date(2025, 8, 22), pl.col("day") <= AS_OF)
    return latest.filter(pl.col("number") >= 7).join(recent, on=PATIENT, how="anti")


def _attended_on(sample: Frames, clinic: str, time_zone: str) -> pl.DataFrame:
    """Days of attended appointments, as the clinic's clock has them."""
    day = pl.col("starts_at").dt.convert_time_zone(time_zone).dt.date().alias("day")
    return sample["appointments"].filter(clinic=clinic, status="fulfilled").select(*PATIENT, day)
