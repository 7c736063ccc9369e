"""The dbt models and what each is built from, as Dagster shows them.

Listed here and not read from dbt's manifest, so that importing the definitions does no I/O; a test
holds the list against the manifest.
"""

MODELS: dict[str, tuple[str, ...]] = {
    "stg_patients": ("patients",),
    "stg_appointments": ("appointments",),
    "stg_forms": ("forms",),
    "stg_adherence": ("adherence",),
    "patient_summary": ("stg_patients", "stg_appointments", "stg_forms", "stg_adherence"),
    "appointment_report": ("stg_appointments",),
    "segment_member": ("stg_patients", "stg_appointments", "stg_forms", "stg_adherence"),
    "segment_report": ("stg_patients", "stg_appointments", "stg_adherence", "patient_summary", "segment_member"),
}
# Built from all others: where it is done, the clinic is.
LAST_MODEL = "segment_report"
