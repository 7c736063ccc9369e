"""The states that a patient or person asked for may be in, which only the read itself finds out.

The policies decide beforehand for each of them; the statement that reads picks the ruling of the
state it meets. So the state that was decided on is the one that was read, and nothing lies between.
"""

from dataclasses import replace

from policies.access.model import Facts, Request
from policies.classification import needs_consent
from policies.words import Action, ConsentPurpose

# Names of the facts of an action: bit 0, bit 1, … of the state's number.
FACTS: dict[Action, tuple[str, ...]] = {
    Action.PROFILE_READ: ("treated", "shared", "reachable"),
    Action.PERSON_READ: ("guarded",),
    Action.ACCESS_LIST: ("guarded",),
    Action.FORM_ASSIGN: ("treated", "confidential"),
    Action.RECORD_READ: ("treated", "confidential"),
    Action.RECORD_HIDE: ("treated", "confidential"),
    Action.PLAN_SAVE: ("treated", "confidential"),
    Action.BRIEF_READ: ("treated", "shared", "confidential"),
    Action.OWN_RECORD_READ: ("guarded",),
    Action.OWN_RECORD_HIDE: ("guarded",),
    Action.FORM_ANSWER: ("guarded",),
    Action.EXERCISE_TICK: ("guarded",),
    Action.PERSON_EDIT: ("guarded",),
    Action.PERSON_HISTORY: ("guarded",),
    Action.CONSENT_LIST: ("guarded",),
    Action.CONSENT_SIGN: ("guarded",),
    Action.CONSENT_REVOKE: ("guarded",),
    Action.DEPENDENT_LEAVE: ("guarded",),
    Action.GUARDIAN_INVITE: ("guarded",),
    Action.GUARDIAN_UNINVITE: ("guarded",),
    Action.GUARDIAN_CONTACT: ("shared",),
    Action.CO_GUARDIAN_LIST: ("guarded",),
    Action.CO_GUARDIAN_END: ("guarded",),
    Action.APPOINTMENT_CHANGE: ("treated", "confidential"),
    Action.APPOINTMENT_ATTEND: ("treated", "confidential"),
    Action.APPOINTMENT_CORRECT: ("treated", "confidential"),
    Action.VISIT_JOIN: ("treated", "confidential"),
    Action.OWN_APPOINTMENT_BOOK: ("guarded",),
    Action.OWN_APPOINTMENT_READ: ("guarded",),
    Action.OWN_APPOINTMENT_CHANGE: ("guarded",),
    Action.OWN_VISIT_JOIN: ("guarded",),
    Action.EXPORT_MAKE: ("guarded",),
    Action.OWN_HANDOVER_PREVIEW: ("guarded",),
    Action.OWN_HANDOVER_BRING: ("guarded",),
    Action.OWN_HANDOVER_LIST: ("guarded",),
    Action.HANDOVER_PREVIEW: ("shared", "confidential"),
    Action.HANDOVER_RECEIVE: ("shared", "confidential"),
    Action.HANDOVER_LIST: ("treated", "confidential"),
    Action.HANDOVER_READ: ("treated", "shared", "confidential"),
}
CONSENTS = {"shared": ConsentPurpose.PROFILE_SHARING, "reachable": ConsentPurpose.COMMUNICATIONS}


def in_states(request: Request) -> tuple[Request, ...]:
    """The request as it is put to the policies in each state, by the state's number.

    Without the patient's consent to share the profile only fields that need none are asked for.
    """
    names = FACTS[request.action]
    return tuple(_in_state(request, names, state) for state in range(2 ** len(names)))


def _in_state(request: Request, names: tuple[str, ...], state: int) -> Request:
    true = {name for bit, name in enumerate(names) if state >> bit & 1}
    consents = frozenset(CONSENTS[name] for name in true & CONSENTS.keys())
    facts = Facts(consents=consents, **dict.fromkeys(true - CONSENTS.keys(), True))
    withheld = "shared" in names and ConsentPurpose.PROFILE_SHARING not in consents
    fields = frozenset(field for field in request.fields if not (withheld and needs_consent(field)))
    return replace(request, facts=facts, fields=fields)
