"""A clinic as its managers see it: segments, members, messages to them."""

from api.pages.manager import builder, campaigns, legal_guardians, overview, people, segment_care, segments, webhooks

ROUTERS = (
    builder.router,
    overview.router,
    campaigns.router,
    legal_guardians.router,
    people.router,
    segment_care.router,
    segments.router,
    webhooks.router,
)
