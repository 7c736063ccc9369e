"""The synthetic sample through the whole pipeline: the mission's segments hold whom polars finds in the files."""

from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import psycopg
import pytest

from infra.database import Server
from infra.sample.generate import generate, write
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
