"""People, families and registrations of the sample.

Beside the columns of the files, the frames carry hidden ones that the clinical tables draw on, so
that one person is the same person everywhere: how willing to exercise, how prone to miss
appointments, how much in pain, and when they stopped coming.
"""

from collections.abc import Iterable

import numpy as np
import polars as pl

from infra.sample import names
from infra.sample.draw import Flags, Floats, Ints, codes, day, days_of, pick, some, span, stream
from infra.sample.spec import Spec

YEAR = 365.25
BLOOD_TYPES = ("O+", "A+", "B+", "AB+", "O-", "A-", "B-", "AB-")
BLOOD_SHARES = (0.38, 0.33, 0.1, 0.04, 0.07, 0.05, 0.02, 0.01)
ALLERGIES = {"penicillin": 0.07, "pollen": 0.12, "latex": 0.02, "nuts": 0.03, "ibuprofen": 0.03}
# Condition: its share at 20 years, and at 80.
CONDITIONS = {
    "hypertension": (0.02, 0.55),
    "diabetes": (0.01, 0.22),
    "arthritis": (0.01, 0.4),
    "chronic_back_pain": (0.06, 0.25),
    "asthma": (0.08, 0.06),
    "depression": (0.07, 0.09),
}


def people(spec: Spec, clinics: pl.DataFrame) -> pl.DataFrame:
    """One row a person: the portable profile, the home clinic, and the hidden propensities."""
    rng = stream(spec.seed, "people")
    size = spec.people
    home = rng.choice(clinics.height, size=size, p=_clinic_shares(clinics.height))
    age = _ages(rng, size)
    # One adult at each clinic first, so that every dependent finds a guardian.
    home[: clinics.height] = np.arange(clinics.height)
    age[: clinics.height] = rng.uniform(40, 60, clinics.height)
    guardian = _guardians(rng, home, age)
    return _profiles(rng, spec, age, guardian).with_columns(
        pl.Series("home", home),
        pl.Series("willing", rng.beta(2.2, 1.4, size)),
        pl.Series("forgetful", rng.normal(0, 0.9, size)),
        pl.Series("pain", rng.normal(5, 2.2, size)),
        pl.Series("pain_slope", rng.normal(-0.25, 0.4, size)),
    )


def registrations(spec: Spec, clinics: pl.DataFrame, persons: pl.DataFrame) -> pl.DataFrame:
    """One row a person and clinic, `spec.patients` of them, by clinic and date; some people have two."""
    rng = stream(spec.seed, "registrations")
    doubled = rng.choice(persons.height, size=spec.patients - persons.height, replace=False)
    who = np.concatenate([np.arange(persons.height), doubled])
    clinic = persons["home"].to_numpy()[who]
    if len(doubled):
        clinic[persons.height :] += 1 + rng.integers(0, clinics.height - 1, len(doubled))
    since = np.where(rng.random(len(who)) < 0.08, rng.integers(1, 31, len(who)), rng.integers(31, 1100, len(who)))
    joined = persons[who].with_columns(
        pl.Series("clinic_index", clinic % clinics.height),
        pl.Series("registered_on", np.maximum(day(spec.as_of) - span(since), days_of(persons[who], "born"))),
        _stopped(rng, spec, len(who)).alias("stopped_on"),
    )
    return (
        clinics.select(pl.col("slug").alias("clinic"), "time_zone")
        .with_row_index("clinic_index")
        .join(joined.with_columns(pl.col("clinic_index").cast(pl.UInt32)), on="clinic_index")
        .sort("clinic_index", "registered_on", "person_id")
        .with_columns((pl.int_range(pl.len()).over("clinic") + 1).cast(pl.String).str.zfill(6).alias("patient_id"))
    )


def _clinic_shares(count: int) -> Floats:
    weight = 1 / np.sqrt(np.arange(1, count + 1))
    return np.asarray(weight / weight.sum())


def _ages(rng: np.random.Generator, size: int) -> Floats:
    group = rng.random(size)
    young, middle, old = rng.uniform(0.2, 18, size), rng.uniform(18, 65, size), 65 + rng.gamma(2.2, 5, size)
    return np.where(group < 0.14, young, np.where(group < 0.72, middle, np.minimum(old, 101)))


def _guardians(rng: np.random.Generator, home: Ints, age: Floats) -> Ints:
    """Row of each dependent's guardian at the same clinic, -1 for everybody else.

    Minors depend on an adult old enough to be their parent, some of the very old on a grown-up child.
    """
    dependent = (age < 18) | ((age > 85) & (rng.random(len(age)) < 0.3))
    adults = np.flatnonzero((age >= 38) & (age <= 64))
    adults = adults[np.argsort(home[adults], kind="stable")]
    first = np.searchsorted(home[adults], home)
    count = np.searchsorted(home[adults], home, side="right") - first
    chosen = adults[first + (rng.random(len(age)) * count).astype(np.int64)]
    return np.where(dependent, chosen, -1)


def _profiles(rng: np.random.Generator, spec: Spec, age: Floats, guardian: Ints) -> pl.DataFrame:
    size = len(age)
    depends = guardian >= 0
    household = np.where(depends, guardian, np.arange(size))
    name = names.given_names(rng, size) + " " + names.family_names(rng, size).gather(household)
    insurance = pick(rng, ("public", "private", "self_pay"), size, (0.62, 0.28, 0.1))
    person_id = codes("P", size)
    born = pl.Series(day(spec.as_of) - span(age * YEAR))
    gap = age[household] - age
    relationship = np.where(gap > 45, "grandparent", np.where(gap > 0, "parent", "child"))
    known = rng.random((5, size))
    return pl.DataFrame(
        {
            "person_id": person_id,
            "name": name,
            "born": born,
            "age": age,
            "birth_date": some(depends | (known[0] < 0.98), born),
            "sex": pick(rng, ("female", "male", "other", "unknown"), size, (0.53, 0.45, 0.01, 0.01)),
            "blood_type": some(known[1] < 0.8, pick(rng, BLOOD_TYPES, size, BLOOD_SHARES)),
            "allergies": _several(ALLERGIES, rng.random((5, size)) < np.array(list(ALLERGIES.values()))[:, None]),
            "chronic_conditions": _several(CONDITIONS, rng.random((6, size)) < _condition_shares(age)),
            "insurance_type": some(known[2] < 0.95, insurance),
            "phone": some(~depends, names.phones(rng, size)),
            "email": names.emails(name, ~depends & (known[3] < 0.9)),
            "address": names.addresses(rng, size).gather(household),
            "policy_number": some((known[2] < 0.95) & (insurance != "self_pay").to_numpy(), codes("SAMPLE-", size)),
            "guardian_id": some(depends, person_id.gather(household)),
            "relationship": some(depends, pl.Series(relationship)),
        }
    )


def _condition_shares(age: Floats) -> Floats:
    grown = np.clip((age - 20) / 60, 0, 1)
    minor = np.where(age < 18, 0.3, 1.0)
    return np.stack([minor * (low + (high - low) * grown**1.5) for low, high in CONDITIONS.values()])


def _several(words: Iterable[str], flags: Flags) -> pl.Series:
    """The words that are flagged for each person (flags: word by person), `;` between them; null if none."""
    columns = [some(flag, pl.repeat(word, len(flag), eager=True)) for word, flag in zip(words, flags, strict=True)]
    joined = pl.select(pl.concat_str(columns, separator=";", ignore_nulls=True)).to_series()
    return some((joined != "").to_numpy(), joined)


def _stopped(rng: np.random.Generator, spec: Spec, size: int) -> pl.Series:
    """The day a patient stopped coming: a third have, some weeks to a year ago; null for the others."""
    last = day(spec.as_of) - span(rng.uniform(20, 400, size))
    return some(rng.random(size) < 0.35, pl.Series(last))
