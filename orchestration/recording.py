"""What a run built, in the access log: an event a clinic and model, with the run as its batch."""

from uuid import UUID

from infra.database import Server, clinic_transaction, connect
from infra.event_ids import event_id
from infra.roles import ClinicKind, Login
from orchestration.graph import MODELS
from orchestration.ledger import Ledger
from policies.words import ProcessAction, Purpose

# A model is built of what the clinic's mart holds: of every patient that it has.
_BUILT = """
insert into audit.access_event (event_id, occurred_at, principal_kind, role, organisation, action, resource_type,
    resource_id, clinic_id, purpose, decision, policies, categories, batch_id, patients)
select m.event_id, statement_timestamp(), 'process', 'pipeline', %(clinic)s, %(action)s, 'model', m.model,
    (select operational.role_clinic()), %(purpose)s, 'permit', '{}', '{identifier}', %(batch)s,
    (select count(*) from raw_patients)
from unnest(%(events)s::uuid[], %(models)s::text[]) as m (event_id, model)"""


def record_builds(at: Server, found: Ledger, run_id: str) -> None:
    """Record the models that were built, each clinic's in a transaction as its builder."""
    with connect(Login.PIPELINE, at=at, autocommit=True) as connection:
        for slug, steps in found.done.items():
            models = [name for name in MODELS if name in steps]
            values = {
                "clinic": slug,
                "action": ProcessAction.BUILD.value,
                "purpose": Purpose.OPERATIONS.value,
                "batch": UUID(run_id),
                "events": [event_id() for _ in models],
                "models": models,
            }
            with clinic_transaction(connection, at.roles, slug, ClinicKind.BUILDER):
                connection.execute(_BUILT, values)
