"""What each kind of message says: a link at most, and nothing clinical. A clinic's name can tell what it treats, so
no message names one.
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
}
