"""How pages show times, numbers and words."""

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment

from policies.words import AccountAction, Action, ProcessAction

# Everything that an event can say was done, in the order of the filter.
ACTIONS: tuple[Action | AccountAction | ProcessAction, ...] = (*Action, *AccountAction, *ProcessAction)
WORDS: dict[str, str] = {
    Action.CLINIC_LIST: "Listed clinics",
    Action.CLINIC_READ: "Looked up a clinic",
    Action.SEGMENT_LIST: "Listed segments",
    Action.SEGMENT_READ: "Read a segment",
    Action.SEGMENT_EDIT: "Edited a segment",
    Action.SEGMENT_PREVIEW: "Tried a segment's rule",
    Action.SEGMENT_COMPARE: "Compared a segment with a changed rule",
    Action.SEGMENT_VOCABULARY: "Looked up what rules may name",
    Action.MEMBER_LIST: "Listed members",
    Action.SEGMENT_EXPLAIN: "Looked up why a patient is in a segment",
    Action.SEGMENT_UNDECIDED: "Listed for whom a segment is undecided",
    Action.PROFILE_READ: "Read a patient's profile",
    Action.PERSON_READ: "Read a person's own profile",
    Action.DEPENDENT_LIST: "Listed dependents",
    Action.ACCESS_LIST: "Looked up who read a person",
    Action.AUDIT_SEARCH: "Searched the access log",
    Action.AUDIT_PROVE: "Asked for a proof of the sealed log",
    Action.AUDIT_EXPORT: "Exported the access log",
    Action.AUDIT_REVIEW: "Reviewed accesses",
    Action.TEMPLATE_READ: "Read a form's template",
    Action.TEMPLATE_SAVE: "Saved a form's template",
    Action.FORM_ASSIGN: "Assigned a form",
    Action.FORM_LIST: "Listed a patient's forms",
    Action.RECORD_READ: "Read a patient's records",
    Action.RECORD_HIDE: "Marked a record confidential",
    Action.PLAN_SAVE: "Changed a treatment plan",
    Action.BRIEF_READ: "Read a brief before an appointment",
    Action.OWN_RECORD_READ: "Read own records",
    Action.OWN_RECORD_HIDE: "Marked an own record confidential",
    Action.FORM_ANSWER: "Answered a form",
    Action.EXERCISE_TICK: "Ticked off an exercise",
    Action.SERVICE_LIST: "Listed services",
    Action.APPOINTMENT_BOOK: "Booked for a patient",
    Action.APPOINTMENT_LIST: "Listed appointments",
    Action.AGENDA_READ: "Read the own agenda",
    Action.APPOINTMENT_CHANGE: "Changed an appointment",
    Action.APPOINTMENT_ATTEND: "Recorded who came",
    Action.APPOINTMENT_CORRECT: "Corrected an appointment",
    Action.VISIT_JOIN: "Joined a video visit",
    Action.OWN_APPOINTMENT_BOOK: "Booked for oneself",
    Action.OWN_APPOINTMENT_READ: "Read own appointments",
    Action.OWN_APPOINTMENT_CHANGE: "Changed an own appointment",
    Action.OWN_VISIT_JOIN: "Joined an own video visit",
    Action.IMPERSONATION_OPEN: "Began to act as a patient",
    Action.IMPERSONATION_LIST: "Listed impersonations",
    Action.IMPERSONATION_END: "Ended an impersonation",
    Action.IMPERSONATION_REVIEW: "Looked up who acted as them",
    Action.VERIFICATION_ANSWER: "Answered a verification",
    Action.VERIFICATION_RENEW: "Asked for a new code",
    Action.ACCOUNT_READ: "Read their own contacts",
    Action.ACCOUNT_CHANGE: "Changed their own contacts",
    Action.MERGE_LIST: "Listed doubtful registrations",
    Action.MERGE_DECIDE: "Decided about a doubtful registration",
    Action.REMINDER_SEND: "Had a reminder sent",
    Action.MAILBOX_READ: "Read a demo's mailbox",
    Action.PERSON_EDIT: "Edited a profile",
    Action.PERSON_HISTORY: "Read a profile's history",
    Action.CONSENT_LIST: "Read own consents",
    Action.CONSENT_SIGN: "Signed a consent",
    Action.CONSENT_REVOKE: "Revoked a consent",
    Action.CONSENT_CHECK: "Checked a patient's consents",
    Action.CONSENT_TEXT_LIST: "Listed consent texts",
    Action.CONSENT_TEXT_PUBLISH: "Published a consent text",
    Action.DEPENDENT_ADD: "Added a dependent",
    Action.DEPENDENT_LEAVE: "Ceased to be a guardian",
    Action.GUARDIAN_INVITE: "Invited a guardian",
    Action.GUARDIAN_JOIN: "Became a guardian",
    Action.GUARDIAN_LIST: "Listed own guardians",
    Action.GUARDIAN_END: "Ended a guardianship",
    Action.GUARDIAN_CHECK: "Looked up a patient's guardians",
    Action.RECORD_DELETE: "Deleted a record",
    Action.RECORD_RESTORE: "Restored a record",
    AccountAction.SIGN_IN: "Sign-in",
    AccountAction.SIGN_OUT: "Sign-out",
    AccountAction.TOKEN_ISSUE: "Issued a token",
    AccountAction.PRINCIPAL_ADD: "Added an account",
    AccountAction.ROLE_GRANT: "Gave a role",
    AccountAction.SPECIALIST_LINK: "Linked a specialist's name",
    AccountAction.API_KEY_ADD: "Added an API key",
    AccountAction.API_KEY_ROTATE: "Replaced an API key",
    AccountAction.API_KEY_REVOKE: "Revoked an API key",
    AccountAction.IDENTITY_LINK: "Linked an identity",
    AccountAction.IDENTITY_UNLINK: "Unlinked an identity",
    AccountAction.ISSUER_KEY_ROTATE: "Replaced the signing key",
    AccountAction.SECOND_FACTOR: "Code at sign-in",
    AccountAction.SECOND_FACTOR_ENROL: "Set up codes",
    AccountAction.SECOND_FACTOR_RESET: "Took codes away",
    AccountAction.RECOVERY_CODE_USE: "Used a recovery code",
    AccountAction.SESSION_END: "Ended a session",
    AccountAction.PASSWORD_SET: "Set a password",
    AccountAction.CREDENTIAL_CHECK: "Tried a bad credential",
    ProcessAction.CLINIC_ADD: "Added a clinic",
    ProcessAction.CLINIC_CONFIGURE: "Configured a clinic",
    ProcessAction.SEGMENT_SAVE: "Saved a segment",
    ProcessAction.SEGMENT_COUNTS: "Counted segments",
    ProcessAction.IMPORT_CSV: "Imported a file",
    ProcessAction.INGEST: "Brought a mart up to date",
    ProcessAction.BUILD: "Built a model of a mart",
    ProcessAction.SERVE: "Started to serve",
    ProcessAction.KEY_ROTATE: "Rotated keys",
    ProcessAction.KEY_RETIRE: "Retired old keys",
    ProcessAction.MESSAGE_SEND: "Sent a message",
    ProcessAction.MESSAGE_RETRY: "Had dead messages tried again",
    ProcessAction.LOG_EXPORT: "Exported the sealed log",
    ProcessAction.LOG_ARCHIVE: "Archived months of the log",
}


def add_filters(env: Environment) -> None:
    """Give templates the functions of this module."""
    env.filters.update(day=day, moment=moment, number=number, words=words)
    env.trim_blocks = env.lstrip_blocks = True


def day(value: date | None) -> str:
    """A date such as 4 March 2026."""
    return f"{value.day} {value:%B %Y}" if value else "not yet"


def moment(value: datetime | None, zone: str = "UTC") -> str:
    """A time in a zone, to the minute, such as 2026-03-04 17:05."""
    return f"{value.astimezone(ZoneInfo(zone) if zone != 'UTC' else UTC):%Y-%m-%d %H:%M}" if value else "never"


def number(value: int) -> str:
    """A count with thin spaces between thousands."""
    return f"{value:,}".replace(",", "\u202f")


def words(value: Any) -> str:
    """A code in words: an action's phrase, or the code without its underscores."""
    text = str(value or "")
    return WORDS.get(text, text.replace("_", " "))
