"""Secrets of endpoints and signatures of deliveries, as Standard Webhooks has them."""

import base64
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime

from standardwebhooks import Webhook

PREFIX = "whsec_"
SECRET_BYTES = 32


def fresh_secret() -> str:
    """A new secret, as endpoints keep it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signed_headers(delivery: str, at: datetime, body: str, keys: Sequence[str]) -> Mapping[str, str]:
    """The headers of a delivery that is sent at that time, in UTC: id, time, and a signature by each of the keys."""
    return {
        "webhook-id": delivery,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(Webhook(key).sign(delivery, at, body) for key in keys),
    }
