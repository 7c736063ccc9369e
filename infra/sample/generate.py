"""The sample: made-up clinics with coherent people, consents, visits, forms, plans and exercises.

Deterministic by size, seed and reference date. Nothing happens on or after the reference date, but
appointments that are booked.
"""

from datetime import date
from pathlib import Path

import polars as pl

from infra.sample import names
from infra.sample.appointments import appointments, specialists
from infra.sample.consents import consents
from infra.sample.forms import answers, forms
from infra.sample.people import people, registrations
from infra.sample.plans import adherence, plans
from infra.sample.spec import Spec

# The files and their columns, in order: what `samples/sample.mapping.yml` names.
COLUMNS = {
    "clinics": "slug name time_zone country",
    "patients": (
        "clinic patient_id person_id name registered_on birth_date sex blood_type allergies chronic_conditions"
        " insurance_type phone email address policy_number guardian_id relationship"
    ),
    "consents": "clinic person_id purpose kind text_version signer_id channel occurred_at",
    "appointments": ("clinic appointment_id person_id service modality specialist status booked_at starts_at"),
    "forms": "clinic form_id person_id template status assigned_on due_on completed_at",
    "answers": ("clinic answer_id form_id person_id template question answered_at number choice text date"),
    "plans": "clinic plan_id person_id title specialist starts_on ends_on",
    "adherence": "clinic plan_id person_id day prescribed done",
}


def generate(patients: int, clinics: int, seed: int, as_of: date) -> dict[str, pl.DataFrame]:
    """Make a sample: one frame a file, with that file's columns; instants are UTC.

    `patients` counts registrations: one person in 25 has two.

    Raises:
        InvalidInput: no clinic, or fewer than 10 patients for each.
    """
    spec = Spec(patients, clinics, seed, as_of)
    places = names.clinics(clinics)
    registered = registrations(spec, places, people(spec, places))
    staff = specialists(spec, places)
    visits = appointments(spec, registered, staff)
    asked = forms(spec, registered, visits)
    prescribed = plans(spec, registered, staff)
    frames = {
        "clinics": places,
        "patients": registered,
        "consents": consents(spec, registered),
        "appointments": visits,
        "forms": asked,
        "answers": answers(spec, asked),
        "plans": prescribed,
        "adherence": adherence(spec, prescribed),
    }
    return {name: frame.select(COLUMNS[name].split()) for name, frame in frames.items()}


def write(frames: dict[str, pl.DataFrame], folder: Path) -> dict[str, Path]:
    """Write each frame as `<folder>/<name>.csv`: ISO dates, instants with a Z, missing values empty."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{name}.csv" for name in frames}
    for name, frame in frames.items():
        frame.write_csv(paths[name], datetime_format="%Y-%m-%dT%H:%M:%SZ")
    return paths
