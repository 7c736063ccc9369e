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
# What an admin may give: who watches admins is made by the operator.
GIVEN_ROLES = CLINIC_ROLES - {Role.CLINIC_AUDITOR}
PLATFORM_ROLES = frozenset({Role.PLATFORM_AUDITOR, Role.PLATFORM_ADMIN})
# Who sees everybody's log or sets everything up signs in with a code as well.
SECOND_FACTOR_ROLES = frozenset({Role.CLINIC_AUDITOR, Role.PLATFORM_AUDITOR, Role.PLATFORM_ADMIN})
PERSONAL_ROLES = frozenset({Role.PATIENT, Role.GUARDIAN})


class Action(StrEnum):
    """What can be asked of the gateway."""

    CLINIC_LIST = "clinic.list"
    CLINIC_READ = "clinic.read"
    CLINIC_OVERVIEW = "clinic.overview"  # counts of its patients and segments
    SEGMENT_LIST = "segment.list"
    SEGMENT_READ = "segment.read"
    SEGMENT_EDIT = "segment.edit"
    SEGMENT_PREVIEW = "segment.preview"  # whom an unsaved rule would mean
    SEGMENT_COMPARE = "segment.compare"  # what a changed rule would change
    SEGMENT_VOCABULARY = "segment.vocabulary"  # what a rule may name
    MEMBER_LIST = "member.list"
    MEMBER_REACH = "member.reach"  # those who may be written to, and how
    SEGMENT_REACH = "segment.reach"  # how many may be written to
    CAMPAIGN_SEND = "campaign.send"
    CAMPAIGN_READ = "campaign.read"  # how far it is
    CAMPAIGN_STOP = "campaign.stop"
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
    VERIFICATION_START = "verification.start"  # by the clinic, of a patient
    VERIFICATION_ANSWER = "verification.answer"
    VERIFICATION_RENEW = "verification.renew"
    PASSWORD_FORGET = "password.forget"  # nosec B105 # the name of an action
    ACCOUNT_READ = "account.read"
    ACCOUNT_CHANGE = "account.change"
    MERGE_LIST = "merge.list"
    MERGE_DECIDE = "merge.decide"
    REMINDER_SEND = "reminder.send"
    CONSENT_ASK = "consent.ask"
    MAILBOX_READ = "mailbox.read"
    MESSAGE_REFUSE = "message.refuse"  # by the link of a message
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
    DEPENDENT_RESTORE = "dependent.restore"  # who was deleted with the last guardian
    GUARDIAN_INVITE = "guardian.invite"
    GUARDIAN_UNINVITE = "guardian.uninvite"  # an invitation that nobody has used
    GUARDIAN_JOIN = "guardian.join"
    GUARDIAN_LIST = "guardian.list"  # by the dependent
    GUARDIAN_END = "guardian.end"  # by the dependent
    GUARDIAN_APPOINT = "guardian.appoint"  # of an adult, on a legal basis: proposed
    GUARDIAN_REVIEW = "guardian.review"  # what is proposed or stands at a clinic by law
    GUARDIAN_CONFIRM = "guardian.confirm"
    GUARDIAN_REVOKE = "guardian.revoke"  # by an admin or a manager
    GUARDIAN_CONTEST = "guardian.contest"  # by the adult
    GUARDIAN_CONTACT = "guardian.contact"  # by the clinic
    CO_GUARDIAN_LIST = "co_guardian.list"  # by the account holder
    CO_GUARDIAN_END = "co_guardian.end"
    GUARDIAN_CHECK = "guardian.check"  # by the clinic
    WEBHOOK_LIST = "webhook.list"  # and what became of deliveries
    WEBHOOK_EDIT = "webhook.edit"
    EXPORT_MAKE = "export.make"  # by the patient or a guardian
    OWN_HANDOVER_PREVIEW = "own_handover.preview"  # what would be brought to a clinic
    OWN_HANDOVER_BRING = "own_handover.bring"
    OWN_HANDOVER_LIST = "own_handover.list"
    HANDOVER_PREVIEW = "handover.preview"  # by the clinic's staff, for the patient
    HANDOVER_RECEIVE = "handover.receive"
    HANDOVER_LIST = "handover.list"  # from where and when; nothing of what is in it
    HANDOVER_READ = "handover.read"  # by who treats
    RECORD_DELETE = "record.delete"
    RECORD_RESTORE = "record.restore"
    QUARANTINE_LIST = "quarantine.list"  # reasons and places, and no content
    QUARANTINE_RETRY = "quarantine.retry"
    PLATFORM_HEALTH = "platform.health"  # how far workers, builds and the sealer are
    ACCOUNT_LIST = "account.list"
    ACCOUNT_ADD = "account.add"
    ACCOUNT_DISABLE = "account.disable"
    ACCOUNT_ENABLE = "account.enable"
    ROLE_GIVE = "role.give"
    ROLE_END = "role.end"
    CODES_RESET = "codes.reset"
    KEY_LIST = "api_key.list"
    KEY_GIVE = "api_key.give"
    KEY_RENEW = "api_key.renew"  # another one in its place
    KEY_END = "api_key.end"
    CLINIC_SETTINGS_READ = "clinic_settings.read"
    CLINIC_SETTINGS_SAVE = "clinic_settings.save"
    CLINIC_RETENTION_SAVE = "clinic_retention.save"  # how long things stand at a clinic
    CLINIC_LOCATION_SAVE = "clinic_location.save"  # its time zone and country


class AccountAction(StrEnum):
    """What happens to identities; recorded beside the accesses, never decided by a policy."""

    SIGN_IN = "session.sign_in"
    SIGN_OUT = "session.sign_out"
    TOKEN_ISSUE = "token.issue"  # nosec B105 # the name of an event
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
    PASSWORD_SET = "password.set"  # nosec B105 # the name of an event
    CREDENTIAL_CHECK = "credential.check"  # recorded when it fails only: a good one is its request's event


class ProcessAction(StrEnum):
    """What processes and operators' commands do; recorded with what it changed."""

    CLINIC_ADD = "clinic.add"
    CLINIC_CONFIGURE = "clinic.configure"
    SEGMENT_SAVE = "segment.save"
    SEGMENT_COUNTS = "segment.counts"
    IMPORT_CSV = "import.csv"
    IMPORT_FHIR = "import.fhir"
    QUARANTINE_SHOW = "quarantine.show"  # a row's content, to an operator
    INGEST = "pipeline.ingest"
    BUILD = "pipeline.build"
    CHECK = "pipeline.check"  # counts of what breaks a rule in a mart
    LIVE = "pipeline.live"
    LIVE_RETRY = "live.retry"
    SERVE = "service.start"  # with the policies that are in force from then on
    CONSENT_PROPAGATE = "consent.propagate"
    KEY_ROTATE = "key.rotate"
    KEY_RETIRE = "key.retire"
    BOOKING_RELEASE = "booking.release"  # nobody proved the contact in time
    MESSAGE_SEND = "message.send"
    MESSAGE_RETRY = "message.retry"
    WEBHOOK_SEND = "webhook.send"
    WEBHOOK_DISABLE = "webhook.disable"  # given up, since it took nothing for days or asked for an end
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


class LegalBasis(StrEnum):
    """By what an adult who does not agree themself has a guardian."""

    COURT_ORDER = "court_order"
    POWER_OF_ATTORNEY = "power_of_attorney"
    STATUTE = "statute"


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
