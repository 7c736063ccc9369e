"""Messages to people: queued in the work that they are about, sent later, nothing clinical in them.

port        what a message is, in the words of those who send one
queueing    a message as the queue keeps it
repository  the queue, as the gateway's work fills it and admins look at it
texts       what each kind says
mail        an email from a message
transports  SMTP, or a demo's mailbox
addresses   to whom a message goes: the person, or for want of an account their guardians
sender      takes what is due, sends it, tries again
"""
