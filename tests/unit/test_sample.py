"""The sample is reproducible, coherent, keeps the operational tables' rules and fills every segment."""

from datetime import date, timedelta

import polars as pl
import pytest
from phonenumbers import is_possible_number, parse

from infra.errors import InvalidInput
from infra.sample.generate import COLUMNS, generate, write
from infra.sample.names import DRAMA_PREFIXES

AS_OF = date(2025, 11, 22)


@pytest.fixture(scope="module")
def sample() -> dict[str, pl.DataFrame]:
    return generate(5000, 8, 7, AS_OF)


def shares_profile(sample: dict[str, pl.DataFrame]) -> pl.DataFrame:
    latest = sample["consents"].filter(purpose="profile_sharing").sort("occurred_at")
    state = latest.group_by("clinic", "person_id").agg(pl.last("kind"))
    return state.filter(kind="signed").select("clinic", "person_id")


def per_clinic(rows: pl.DataFrame) -> list[int]:
    return rows.group_by("clinic").len()["len"].to_list()


def test_same_seed_and_date_give_the_same_bytes(tmp_path):
    first = write(generate(300, 3, 5, AS_OF), tmp_path / "a")
    again = write(generate(300, 3, 5, AS_OF), tmp_path / "b")
    assert [path.read_bytes() for path in first.values()] == [path.read_bytes() for path in again.values()]


@pytest.mark.parametrize("other", [(300, 3, 6, AS_OF), (300, 3, 5, AS_OF + timedelta(days=1))])
def test_another_seed_or_date_gives_another_sample(other):
    assert not generate(300, 3, 5, AS_OF)["appointments"].equals(generate(*other)["appointments"])


def test_size_is_what_was_asked_for(sample):
    assert sample["patients"].height == 5000
    assert sample["clinics"].height == 8
    assert sample["patients"]["clinic"].n_unique() == 8
    assert {name: frame.columns for name, frame in sample.items()} == {k: v.split() for k, v in COLUMNS.items()}


@pytest.mark.parametrize(("patients", "clinics", "place"), [(100, 0, "clinics"), (9, 1, "patients")])
def test_a_size_that_makes_no_sample_is_refused(patients, clinics, place):
    with pytest.raises(InvalidInput) as refused:
        generate(patients, clinics, 1, AS_OF)
    assert refused.value.place == place


@pytest.mark.parametrize(("patients", "clinics"), [(10, 1), (200, 20)])
def test_the_smallest_samples_are_whole(patients, clinics):
    frames = generate(patients, clinics, 3, AS_OF)
    assert frames["clinics"]["slug"].n_unique() == clinics
    assert frames["patients"].height == patients


def test_clinics_lie_in_several_time_zones(sample):
    zones = set(sample["clinics"]["time_zone"])
    assert {"Europe/Berlin", "America/Sao_Paulo", "Asia/Singapore"} <= zones


def test_a_person_has_one_profile_and_one_registration_a_clinic(sample):
    patients = sample["patients"]
    profile = [name for name in patients.columns if name not in ("clinic", "patient_id", "registered_on")]
    assert patients.select("clinic", "person_id").is_unique().all()
    assert patients.select("clinic", "patient_id").is_unique().all()
    assert patients.select(profile).unique().height == patients["person_id"].n_unique() == 4800
    assert patients["patient_id"].n_unique() < 5000, "each clinic has numbers of its own"


def test_nobody_can_be_reached_or_mistaken_for_somebody(sample):
    patients = sample["patients"]
    phones = patients["phone"].drop_nulls()
    assert phones.str.slice(0, 9).is_in(DRAMA_PREFIXES).all()
    assert all(is_possible_number(parse(phone)) for phone in phones)
    assert patients["email"].drop_nulls().str.ends_with("@example.org").all()
    assert patients["policy_number"].drop_nulls().str.starts_with("SAMPLE-").all()


def test_dependents_have_a_guardian_at_their_clinic_and_no_account_of_their_own(sample):
    patients = sample["patients"]
    dependents = patients.filter(pl.col("guardian_id").is_not_null())
    guardians = dependents.join(patients, left_on="guardian_id", right_on="person_id", suffix="_of")
    at_one = guardians.filter(pl.col("clinic") == pl.col("clinic_of"))
    assert at_one["person_id"].n_unique() == dependents["person_id"].n_unique() > 400
    assert dependents["phone"].is_null().all() and dependents["email"].is_null().all()
    assert (guardians["address"] == guardians["address_of"]).all()
    minors = patients.filter(pl.col("birth_date") > AS_OF - timedelta(days=17 * 365))
    assert minors["guardian_id"].is_not_null().all()
    assert not guardians["guardian_id"].is_in(dependents["person_id"].to_list()).any()


def test_four_in_five_sign_and_signatures_come_before_revocations(sample):
    consents = sample["consents"]
    signed = consents.filter(purpose="profile_sharing", kind="signed").select("clinic", "person_id").unique()
    assert 0.77 < signed.height / 5000 < 0.83
    order = consents.group_by("clinic", "person_id", "purpose", maintain_order=True).agg("kind", "occurred_at")
    assert order["kind"].list.first().eq("signed").all()
    assert order["kind"].list.join(",").unique().sort().to_list() == [
        "signed", "signed,revoked", "signed,revoked,signed",
    ]  # fmt: skip
    assert order["occurred_at"].list.eval(pl.element().diff() > pl.duration(days=0)).list.all().all()


def test_guardians_sign_for_dependents_and_everyone_else_for_themselves(sample):
    signers = sample["consents"].join(sample["patients"], on=["clinic", "person_id"])
    assert (signers["signer_id"] == signers["guardian_id"].fill_null(signers["person_id"])).all()


def test_nothing_happens_before_registration_or_from_the_reference_date_on(sample):
    since = sample["patients"].select("clinic", "person_id", "registered_on")
    midnight = pl.lit(AS_OF).cast(pl.Datetime("us", "UTC"))
    past = sample["appointments"].filter(pl.col("status").is_in(["fulfilled", "noshow", "arrived"]))
    for name, rows, column in (
        ("consents", sample["consents"], "occurred_at"),
        ("appointments", sample["appointments"], "booked_at"),
        ("visits", past, "starts_at"),
        ("forms", sample["forms"], "assigned_on"),
        ("forms", sample["forms"].drop_nulls("completed_at"), "completed_at"),
        ("answers", sample["answers"], "answered_at"),
        ("plans", sample["plans"], "starts_on"),
        ("adherence", sample["adherence"], "day"),
    ):
        joined = rows.join(since, on=["clinic", "person_id"], how="left")
        assert (joined[column].dt.date() >= joined["registered_on"]).all(), name
        assert joined.select((pl.col(column) < midnight).all()).item(), name


def test_rows_keep_the_rules_of_the_operational_tables(sample):
    appointments, forms, plans, adherence = (sample[n] for n in ("appointments", "forms", "plans", "adherence"))
    assert (appointments["booked_at"] < appointments["starts_at"]).all()
    assert ((forms["status"] == "completed") == forms["completed_at"].is_not_null()).all()
    assert (plans["ends_on"].drop_nulls() >= plans.drop_nulls("ends_on")["starts_on"]).all()
    assert adherence["done"].is_between(0, adherence["prescribed"]).all()
    assert adherence["prescribed"].is_between(1, 500).all()
    assert adherence.select("plan_id", "day").is_unique().all()
    values = sample["answers"].select(pl.sum_horizontal(pl.col("number", "choice", "text", "date").is_not_null()))
    assert (values.to_series() == 1).all()


def test_every_record_belongs_to_a_registration(sample):
    patients, forms = sample["patients"], sample["forms"]
    for name in ("consents", "appointments", "forms", "answers", "plans", "adherence"):
        assert sample[name].join(patients, on=["clinic", "person_id"], how="anti").is_empty(), name
    assert sample["answers"].join(forms, on=["clinic", "form_id", "person_id", "template"], how="anti").is_empty()
    assert sample["adherence"].join(sample["plans"], on=["clinic", "plan_id", "person_id"], how="anti").is_empty()


def test_vocabularies_are_used_in_full(sample):
    assert set(sample["appointments"]["status"]) == {"booked", "arrived", "fulfilled", "cancelled", "noshow"}
    assert set(sample["appointments"]["modality"]) == {"in_person", "video"}
    assert set(sample["forms"]["status"]) == {"pending", "in_progress", "completed", "expired"}
    assert sample["patients"]["blood_type"].n_unique() == 9
    scores = sample["answers"].filter(template="pain", question="score")["number"]
    assert set(scores) == set(range(11))


def test_no_shows_grow_with_lead_time(sample):
    kept = sample["appointments"].filter(pl.col("status").is_in(["fulfilled", "noshow"]))
    lead = (pl.col("starts_at") - pl.col("booked_at")).dt.total_days()
    share = kept.group_by(lead > 14).agg((pl.col("status") == "noshow").mean().alias("share")).sort("starts_at")
    short, long = share["share"]
    assert 0.05 < short < long - 0.05


def test_adherence_decays_and_differs_by_person(sample):
    starts = sample["plans"].select("clinic", "plan_id", "starts_on")
    rows = sample["adherence"].join(starts, on=["clinic", "plan_id"])
    week = ((pl.col("day") - pl.col("starts_on")).dt.total_days() // 7).alias("week")
    rate = (pl.col("done").sum() / pl.col("prescribed").sum()).alias("rate")
    weekly = rows.group_by(week).agg(rate).sort("week")["rate"]
    assert weekly[0] > weekly[4] > weekly[10] > 0.1
    assert rows.group_by("person_id").agg(rate)["rate"].std() > 0.1


def test_conditions_come_with_age(sample):
    patients = sample["patients"].drop_nulls("birth_date")
    old = pl.col("birth_date") < AS_OF - timedelta(days=65 * 365)
    hypertension = pl.col("chronic_conditions").fill_null("").str.contains("hypertension").mean()
    young_share, old_share = patients.group_by(old).agg(hypertension).sort("birth_date")["chronic_conditions"]
    assert old_share > 0.25
    assert 0 < young_share < 0.15


def test_over_65_with_low_adherence_has_members_at_every_clinic(sample):
    born = pl.col("birth_date").dt.offset_by("66y") <= AS_OF
    old = sample["patients"].filter(born).join(shares_profile(sample), on=["clinic", "person_id"])
    recent = sample["adherence"].filter(pl.col("day") > AS_OF - timedelta(days=30))
    rate = recent.group_by("clinic", "person_id").agg(pl.col("done").sum() / pl.col("prescribed").sum())
    judged = old.join(rate, on=["clinic", "person_id"])
    members = judged.filter(pl.col("done") < 0.5)
    assert len(per_clinic(members)) == 8
    assert 0.2 < members.height / judged.height < 0.8


def test_new_patients_without_intake_are_some_of_the_new_at_every_clinic(sample):
    new = sample["patients"].filter(pl.col("registered_on") >= AS_OF - timedelta(days=30))
    done = sample["forms"].filter(template="intake", status="completed")
    members = new.join(done, on=["clinic", "person_id"], how="anti")
    assert len(per_clinic(members)) == 8
    assert 0.2 < members.height / new.height < 0.8
    overdue = sample["forms"].filter(pl.col("status") == "pending", pl.col("due_on") < AS_OF)
    assert overdue.height > 20


def test_high_pain_and_not_seen_are_some_of_those_in_pain_at_every_clinic(sample):
    pain = sample["answers"].filter(template="pain", question="score").sort("answered_at")
    high = pain.group_by("clinic", "person_id").agg(pl.last("number")).filter(pl.col("number") >= 7)
    since = pl.lit(AS_OF).dt.offset_by("-3mo").cast(pl.Datetime("us", "UTC"))
    seen = sample["appointments"].filter(pl.col("status") == "fulfilled", pl.col("starts_at") >= since)
    members = high.join(seen, on=["clinic", "person_id"], how="anti")
    assert len(per_clinic(members)) == 8
    assert 0.2 < members.height / high.height < 0.8


def test_visits_keep_office_hours_of_the_clinic(sample):
    rows = sample["appointments"].join(sample["clinics"], left_on="clinic", right_on="slug")
    for zone, part in rows.partition_by("time_zone", as_dict=True).items():
        local = part["starts_at"].dt.convert_time_zone(zone[0])
        assert local.dt.hour().is_between(9, 17).all()
        assert local.dt.weekday().is_between(1, 5).all()


def test_files_write_missing_values_as_nothing_and_instants_with_a_zone(tmp_path, sample):
    paths = write({"forms": sample["forms"].head(50), "patients": sample["patients"].head(50)}, tmp_path)
    text = paths["forms"].read_text()
    assert "null" not in text.lower()
    back = pl.read_csv(paths["forms"], infer_schema=False)
    instants = back["completed_at"].drop_nulls()
    assert instants.str.contains(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:00Z$").all() and len(instants)
    assert back["assigned_on"].str.contains(r"^\d{4}-\d\d-\d\d$").all()
