"""The checks of the data in words, by asset and check, and what breaks them."""

from api.pages.texts import N_, say

CHECKS = {
    "patients.batch": N_("Patients as they were loaded"),
    "appointments.batch": N_("Appointments as they were loaded"),
    "forms.batch": N_("Forms as they were loaded"),
    "adherence.batch": N_("Adherence as it was loaded"),
    "patients.isolation": N_("Isolation of clinics"),
    "segment_report.consent": N_("Nothing without consent"),
    "patient_summary.dbt_tests": N_("Tests of the models"),
    "segment_member.drift": N_("Members against their rules"),
}
BREACHES = {
    "born_in_the_future": N_("born in the future"),
    "older_than_130": N_("older than 130"),
    "without_a_name": N_("without a name"),
    "appointments_of_nobody": N_("appointments of nobody"),
    "booked_after_start": N_("booked after the start"),
    "forms_of_nobody": N_("forms of nobody"),
    "answers_without_form": N_("answers without a form"),
    "adherence_of_nobody": N_("adherence of nobody"),
    "more_done_than_prescribed": N_("more done than prescribed"),
    "unregistered": N_("patients of no registration"),
    "unconsented": N_("profiles without consent"),
    "overreported": N_("reports of more than is shared"),
    "schemas_of_others": N_("open schemas of other clinics"),
    "uncounted": N_("marts that cannot be read"),
}


def check(asset_and_name: str) -> str:
    """A check such as `patients.batch` in words."""
    return say(CHECKS.get(asset_and_name, asset_and_name))


def breach(rule: str) -> str:
    """What is broken, in words; the name of a segment or of a test as it is."""
    return say(BREACHES.get(rule, rule))
