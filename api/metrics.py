"""`GET /metrics`: how far the live worker and the sealer are, for a Prometheus of the operator.

It holds slugs and counts, which are nobody's of those who sign in: the operator's monitoring shows a secret of the
instance, `secrets/metrics`. Neither an address nor a proxy in between says who asks.
"""

import secrets
from collections.abc import Callable
from typing import Annotated

from fastapi import FastAPI, Header, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from api.problems import NotSignedIn
from infra.audit_tree.status import oldest_unsealed
from infra.database import Server, read_secret
from infra.live_health import ClinicHealth, Health, health

_OF_CLINICS: dict[str, tuple[str, Callable[[ClinicHealth], float]]] = {
    "waiting_changes": ("Changes that wait.", lambda clinic: clinic.waiting),
    "lag_seconds": ("How long the oldest change that waits has waited.", lambda clinic: clinic.oldest),
    "last_lag_seconds": ("How long the change had waited that was dealt with last.", lambda clinic: clinic.last_lag),
    "dead_changes": ("Changes that the mart refused.", lambda clinic: clinic.dead),
    "unfinished_consents": ("Consents that began or ended without a receipt yet.", lambda clinic: clinic.unfinished),
    "stale_patients": ("Patients with a change that the mart refused.", lambda clinic: clinic.stale),
}
_OF_ALL: dict[str, tuple[str, Callable[[Health], float]]] = {
    "oldest_change_seconds": (
        "How long the oldest change of all clinics has waited.",
        lambda all_: all_.worst().oldest,
    ),
    "workers": ("Live workers that run.", lambda all_: all_.workers),
}


def install(app: FastAPI, at: Server) -> None:
    """Add the route to an application.

    Raises:
        Misconfigured: others can read the secret.
    """
    secret = f"Bearer {read_secret(at.secrets_folder / 'metrics')}".encode()

    @app.get("/metrics", include_in_schema=False)
    def metrics(authorization: Annotated[str, Header()] = "") -> Response:
        """How far the live worker and the sealer are, for whoever knows the secret."""
        if not secrets.compare_digest(authorization.encode(), secret):
            raise NotSignedIn("the operator's monitoring alone")
        return Response(_text(health(at), oldest_unsealed(at)), media_type=CONTENT_TYPE_LATEST)


def _text(found: Health, unsealed: float) -> bytes:
    registry = CollectorRegistry()
    for name, (meaning, of_clinic) in _OF_CLINICS.items():
        gauge = Gauge(f"cloister_live_{name}", meaning, ["clinic"], registry=registry)
        for slug, clinic in found.clinics.items():
            gauge.labels(slug).set(of_clinic(clinic))
    meaning, labels = "A segment whose rule does not compile, or cannot be evaluated.", ["clinic", "segment"]
    broken = Gauge("cloister_live_broken_segment", meaning, labels, registry=registry)
    for slug, clinic in found.clinics.items():
        for segment in clinic.broken:
            broken.labels(slug, segment).set(1)
    meaning = "How long the oldest event of the access logs has waited to be sealed."
    Gauge("cloister_audit_oldest_unsealed_seconds", meaning, registry=registry).set(unsealed)
    for name, (meaning, of_all) in _OF_ALL.items():
        Gauge(f"cloister_live_{name}", meaning, registry=registry).set(of_all(found))
    return generate_latest(registry)
