"""What runs the platform: health, accounts, impersonations, a demo's mail; of clinics what they offer and ask, keys,
and the quarantine.
"""

from api.pages.admin import accounts, forms, health, impersonations, keys, mailbox, quarantine, settings

ROUTERS = (
    accounts.router,
    forms.router,
    health.router,
    impersonations.router,
    keys.router,
    mailbox.router,
    quarantine.router,
    settings.router,
)
