"""The tree of errors. One place maps it to problem+json (api), one to a line and an exit code (cli).

CloisterError
├── Misconfigured         settings, keys or policies are wrong: nothing starts
│   └── Undecryptable     altered, moved, or of another key (infra.encryption)
├── DatabaseUnavailable   not running, not reachable, not migrated
├── KeysUnavailable       the key service does not answer
├── InvalidInput          what was given breaks a rule; names the place
│   └── TooLarge          a file that is larger than one may be (api.uploads)
├── NotThere              does not exist, or is not yours: the two look the same
├── Refused               known to exist, but not now or not like this
│   ├── Stale             changed by somebody else since it was read
│   └── Withdrawn         somebody in the answer revoked a consent while it was given
├── Gone                  was there, and is not kept any longer; says how to go on
├── NotRecorded           the access could not be recorded, so nothing was done
├── NotSignedIn           no credentials, or none that are good (api.problems)
│   └── CodeNeeded        the password is right, a code is asked for as well (api.problems)
├── NotAcceptable         none of the formats that the request takes (api.problems)
├── FromElsewhere         a form that another site's page sent (api.problems)
├── TooMany               asked too often; says when to come again (api.limits)
│   ├── TooManyFiles      as many files are read as may be, of one principal or of all (api.limits)
│   └── NoMoreCodes       as many codes went to an address, or by a page, as may (api.limits)
├── IssuerUnavailable     an external issuer does not answer (api.identity.jwks)
├── Failed                something broke that is nobody's input (api.problems)
├── SourceBusy            another import of the source is under way (orchestration.importing)
├── ClinicFailed          the work on one clinic; the others go on (orchestration.ingest)
└── DbtFailed             dbt itself, for all clinics (orchestration.dbt_run)

Apart from the tree, as policies knows no infra: RuleError and InvalidPolicies are ValueErrors that
their callers turn into InvalidInput and Misconfigured.

Messages never hold patient data: ids, field names and rules only.
"""


class CloisterError(Exception):
    """Base of every error that a user may see; `hint` says what to do about it."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Misconfigured(CloisterError):
    """Settings, keys or policies are wrong."""


class DatabaseUnavailable(CloisterError):
    """The database is not running, not reachable or not migrated."""


class KeysUnavailable(CloisterError):
    """The key service does not answer; nothing can be encrypted or decrypted."""


class Misplaced(CloisterError):
    """An error with a place: a JSON-pointer-like path, a field or file:line; `rule` is a word for programs.

    `detail` tells people more of it, where that names nothing of a patient.
    """

    def __init__(
        self, message: str, *, place: str = "", rule: str = "not_valid", hint: str = "", detail: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.place = place
        self.rule = rule
        self.detail = detail


class InvalidInput(Misplaced):
    """Input breaks a rule; names where and which."""


class NotThere(CloisterError):
    """The thing does not exist or is not the caller's: same answer for both."""


class Refused(Misplaced):
    """The request conflicts with the state of things; names the field where there is one."""


class Stale(Refused):
    """Somebody else changed it since it was read; nothing of either change is lost."""


class Withdrawn(Refused):
    """Somebody in the answer revoked a consent while it was given: what was given of it is void."""


class Gone(Misplaced):
    """It was there and is not kept any longer; `detail` says how to go on without it."""


class NotRecorded(CloisterError):
    """The audit record could not be written; nothing was returned."""
