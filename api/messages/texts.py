"""What each kind of message says: a link at most, and nothing clinical. A clinic's name can tell what it treats, so
no message names one. A campaign's words are the clinic's own, to those who agreed to messages of it.
"""

from api.messages.port import MessageKind

TEXTS: dict[MessageKind, tuple[str, str]] = {
    MessageKind.CODE: (
        "Your code",
        (
            "Your code is {code}. It is good for ten minutes, and for this once.\n\nEnter it here: {link}\n\n"
            "If you did not ask for it, do nothing: without the code nothing happens. Nobody of ours ever asks for it."
        ),
    ),
    MessageKind.WELCOME: (
        "Your account",
        "Your account is ready. Go on here: {link}\n\nIf you already have an account, sign in as you always do.",
    ),
    MessageKind.BOOKING_CONFIRMED: ("Your appointment", "Your appointment is booked.\n\nSee it here: {link}"),
    MessageKind.APPOINTMENT_CHANGED: ("Your appointment", "Your appointment has changed.\n\nSee it here: {link}"),
    MessageKind.APPOINTMENT_REMINDER: ("Your appointment", "You have an appointment.\n\nSee it here: {link}"),
    MessageKind.FORM_REQUEST: ("A form for you", "There is a form for you to fill in.\n\nOpen it here: {link}"),
    MessageKind.CONTACT_NOTICE: (
        "Your contact details",
        "The contact details of your account are being changed.\n\nIf that was not you, go here: {link}",
    ),
    MessageKind.IMPERSONATION_NOTICE: (
        "Somebody looked at your account",
        (
            "An administrator looked at your account as you would, for a reason that is recorded.\n\n"
            "See when and why here: {link}"
        ),
    ),
    MessageKind.WEBHOOK_NOTICE: (
        "A webhook was switched off",
        (
            "A webhook of your clinic was switched off: for days it took nothing, or it asked for an end.\n\n"
            "Nothing that it was to be told is lost. Mend it, switch it on again, and it goes on: {link}"
        ),
    ),
    MessageKind.GUARDIAN_NOTICE: (
        "Who cares for whom",
        "Somebody began or ceased to manage a person's account, or to be managed by you.\n\nSee it here: {link}",
    ),
    MessageKind.GUARDIAN_CODE: (
        "A code for you as a guardian",
        (
            "Somebody's guardianship by law was confirmed, and is to be yours. Your code is {code}. It is good once and"
            " for seven days, for an account with this email address.\n\nSign in and enter it here: {link}\n\n"
            "If you do not know of this, do nothing: without the code nothing happens."
        ),
    ),
    MessageKind.GUARDIAN_CONTESTED: (
        "A guardianship is contested",
        (
            "Somebody says that a guardianship by law over them is not right.\n\n"
            "Find it among the guardians by law of your clinic: {link}"
        ),
    ),
    MessageKind.CONSENT_REQUEST: (
        "Something to read and sign",
        (
            "A clinic has a text for you to read, and to sign if you agree.\n\nFind it here: {link}\n\n"
            "Where you agreed to an older text before, or somebody who cared for you agreed for you, that may end"
            " unless you agree yourself."
        ),
    ),
    MessageKind.PASSWORD_LINK: (
        "Your password",
        (
            "Somebody asked for a new password for your account.\n\nSet one here, once and within half an hour: {link}"
            "\n\nIf that was not you, do nothing: your password stays as it is."
        ),
    ),
    MessageKind.CAMPAIGN: (
        "{subject}",
        (
            "{text}\n\n-- \nThis came because you, or somebody you care for, agreed to messages of a clinic.\n"
            "To get no more of them, go here: {link}"
        ),
    ),
}

# Where the link of a kind leads that says the same to everybody; nothing of such a message is sealed.
LINKS = {MessageKind.CONSENT_REQUEST: "consents"}
