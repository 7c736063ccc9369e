"""The vocabulary of access: each word once, in the words of the glossary, FHIR and OpenID Connect."""

from enum import StrEnum


class Role(StrEnum):
    """What a principal may be, at one clinic or on the platform."""

    PATIENT = "patient"
    GUARDIAN = "guardian"
    CLINIC_STAFF = "clinic_staff"
    SPECIALIST = "specialist"
    CLINIC_MANAGER = "clinic_manager"
    AUTOMATION_SYSTEM = "automation_system"
    CLINIC_AUDITOR = "clinic_auditor"
    PLATFORM_AUDITOR = "platform_auditor"
    PLATFORM_ADMIN = "platform_admin"


CLINIC_ROLES = frozenset({Role.CLINIC_STAFF, Role.SPECIALIST, Role.CLINIC_MANAGER, Role.CLINIC_AUDITOR})
PLATFORM_ROLES = frozenset({Role.PLATFORM_AUDITOR, Role.PLATFORM_ADMIN})
# Who sees everybody's log or sets everything up signs in with a code as well.
SECOND_FACTOR_ROLES = frozenset({Role.CLINIC_AUDITOR, Role.PLATFORM_AUDITOR, Role.PLATFORM_ADMIN})
PERSONAL_ROLES = frozenset({Role.PATIENT, Role.GUARDIAN})


class Action(StrEnum):
    """What can be asked of the gateway."""

    CLINIC_LIST = "clinic.list"
    CLINIC_READ = "clinic.read"
    SEGMENT_LIST = "segment.list"
    SEGMENT_READ = "segment.read"
    SEGMENT_EDIT = "segment.edit"
    SEGMENT_PREVIEW = "segment.preview"  # whom an unsaved rule would mean
    SEGMENT_COMPARE = "segment.compare"  # what a changed rule would change
    SEGMENT_VOCABULARY = "segment.vocabulary"  # what a rule may name
    MEMBER_LIST = "member.list"
    SEGMENT_EXPLAIN = "segment.explain"  # why one patient is in, or not
    SEGMENT_UNDECIDED = "segment.undecided"
    PROFILE_READ = "profile.read"
    PERSON_READ = "person.read"
    DEPENDENT_LIST = "dependent.list"
    ACCESS_LIST = "access.list"
    AUDIT_SEARCH = "audit.search"
    AUDIT_PROVE = "audit.prove"  # checkpoints, keys and hashes of the sealed log
    AUDIT_EXPORT = "audit.export"
    AUDIT_REVIEW = "audit.review"  # counts, who may see patients, what is unusual
    TEMPLATE_READ = "template.read"
    TEMPLATE_SAVE = "template.save"
    FORM_ASSIGN = "form.assign"
    FORM_LIST = "form.list"  # which forms, and how far; no answer
    RECORD_READ = "record.read"  # answers and plans, by who treats
    RECORD_HIDE = "record.hide"
    PLAN_SAVE = "plan.save"
    BRIEF_READ = "brief.read"
    OWN_RECORD_READ = "own_record.read"  # by the patient or a guardian
    OWN_RECORD_HIDE = "own_record.hide"
    FORM_ANSWER = "form.answer"
    EXERCISE_TICK = "exercise.tick"
    SERVICE_LIST = "service.list"
    APPOINTMENT_BOOK = "appointment.book"
    APPOINTMENT_LIST = "appointment.list"
    AGENDA_READ = "agenda.read"  # a specialist's own day
    APPOINTMENT_CHANGE = "appointment.change"  # another time, or none
    APPOINTMENT_ATTEND = "appointment.attend"  # arrived, fulfilled, no-show
    APPOINTMENT_CORRECT = "appointment.correct"
    VISIT_JOIN = "visit.join"  # the video room
    OWN_APPOINTMENT_BOOK = "own_appointment.book"  # by the patient or a guardian
    OWN_APPOINTMENT_READ = "own_appointment.read"
    OWN_APPOINTMENT_CHANGE = "own_appointment.change"
    OWN_VISIT_JOIN = "own_visit.join"
    IMPERSONATION_OPEN = "impersonation.open"
    IMPERSONATION_LIST = "impersonation.list"
    IMPERSONATION_END = "impersonation.end"
    IMPERSONATION_REVIEW = "impersonation.review"  # by the patient
    VERIFICATION_ANSWER = "verification.answer"
    VERIFICATION_RENEW = "verification.renew"
    ACCOUNT_READ = "account.read"
    ACCOUNT_CHANGE = "account.change"
    MERGE_LIST = "merge.list"
    MERGE_DECIDE = "merge.decide"
    REMINDER_SEND = "reminder.send"
    MAILBOX_READ = "mailbox.read"
    PERSON_EDIT = "person.edit"
    PERSON_HISTORY = "person.history"
    CONSENT_LIST = "consent.list"
    CONSENT_SIGN = "consent.sign"
    CONSENT_REVOKE = "consent.revoke"
    CONSENT_CHECK = "consent.check"  # by the clinic: whether one stands
    CONSENT_TEXT_LIST = "consent_text.list"
    CONSENT_TEXT_PUBLISH = "consent_text.publish"
    DEPENDENT_ADD = "dependent.add"
    DEPENDENT_LEAVE = "dependent.leave"
    GUARDIAN_INVITE = "guardian.invite"
    GUARDIAN_JOIN = "guardian.join"
    GUARDIAN_LIST = "guardian.list"  # by the dependent
    GUARDIAN_END = "guardian.end"  # by the dependent
    GUARDIAN_CHECK = "guardian.check"  # by the clinic
    RECORD_DELETE = "record.delete"
    RECORD_RESTORE = "record.restore"


class AccountAction(StrEnum):
    """What happens to identities; recorded beside the accesses, never decided by a policy."""

    SIGN_IN = "session.sign_in"
    SIGN_OUT = "session.sign_out"
    TOKEN_ISSUE = "token.issue"  # nosec B105: the name of an event
    PRINCIPAL_ADD = "principal.add"
    ROLE_GRANT = "role.grant"
    SPECIALIST_LINK = "specialist.link"
    API_KEY_ADD = "api_key.add"
    API_KEY_ROTATE = "api_key.rotate"
    API_KEY_REVOKE = "api_key.revoke"
    IDENTITY_LINK = "identity.link"
    IDENTITY_UNLINK = "identity.unlink"
    ISSUER_KEY_ROTATE = "issuer_key.rotate"
    SECOND_FACTOR = "session.second_factor"
    SECOND_FACTOR_ENROL = "second_factor.enrol"
    SECOND_FACTOR_RESET = "second_factor.reset"
    RECOVERY_CODE_USE = "recovery_code.use"
    SESSION_END = "session.end"
    PASSWORD_SET = "password.set"  # nosec B105: the name of an event
    CREDENTIAL_CHECK = "credential.check"  # recorded when it fails only: a good one is its request's event


class ProcessAction(StrEnum):
    """What processes and operators' commands do; recorded with what it changed."""

    CLINIC_ADD = "clinic.add"
    CLINIC_CONFIGURE = "clinic.configure"
    SEGMENT_SAVE = "segment.save"
    SEGMENT_COUNTS = "segment.counts"
    IMPORT_CSV = "import.csv"
    INGEST = "pipeline.ingest"
    BUILD = "pipeline.build"
    SERVE = "service.start"  # with the policies that are in force from then on
    KEY_ROTATE = "key.rotate"
    KEY_RETIRE = "key.retire"
    MESSAGE_SEND = "message.send"
    MESSAGE_RETRY = "message.retry"
    LOG_EXPORT = "log.export"
    LOG_ARCHIVE = "log.archive"


class Purpose(StrEnum):
    """Why patient data is used: one a request, one an API key."""

    CARE = "care"
    OPERATIONS = "operations"
    COMMUNICATIONS = "communications"
    AUDIT = "audit"
    PATIENT_REQUEST = "patient_request"  # PATRQT of HL7's PurposeOfUse: patients and guardians for themselves


class ImpersonationReason(StrEnum):
    """Why an admin acts as a patient: the kind of reason, which the patient sees. The story is in the ticket."""

    PATIENT_ASKED = "patient_asked"
    COMPLAINT = "complaint"
    WRONG_DATA = "wrong_data"
    FAULT = "fault"


class ConsentPurpose(StrEnum):
    """What a patient or guardian signs for, per clinic."""

    PROFILE_SHARING = "profile_sharing"
    COMMUNICATIONS = "communications"


class ConsentKind(StrEnum):
    """The two events a consent's history is made of."""

    SIGNED = "signed"
    REVOKED = "revoked"


class DeletionReason(StrEnum):
    """Why something is marked as deleted, or a guardianship ended: a word, since a story could be a patient's."""

    MISTAKE = "mistake"
    DUPLICATE = "duplicate"
    ASKED = "asked"
    MOVED_AWAY = "moved_away"
    NO_LONGER = "no_longer"


class ArchiveReason(StrEnum):
    """Why a segment is put away: a word, since a story could be a patient's."""

    MISTAKE = "mistake"
    DUPLICATE = "duplicate"
    REPLACED = "replaced"
    NO_LONGER = "no_longer"


class Decision(StrEnum):
    """What the policies say."""

    PERMIT = "permit"
    DENY = "deny"


class Category(StrEnum):
    """How sensitive a field is, and so who may see it."""

    IDENTIFIER = "identifier"
    NAME = "name"
    PROFILE = "profile"
    CONTACT = "contact"
    CLINICAL = "clinical"
    FREE_TEXT = "free_text"
    MEMBERSHIP = "membership"
    AGGREGATE = "aggregate"
    CONFIDENTIAL = "confidential"  # of what is hidden from guardians, whatever field
    TECHNICAL = "technical"
