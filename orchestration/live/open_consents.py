"""What consents left open in a clinic's mart: a build that copied rows alone, or a signature that ran out.

It goes into the outbox like any other change, and so to whoever attends to the clinic next.
"""

from infra.database import clinic_transaction
from infra.roles import ClinicKind
from orchestration.live.lane import Lane
from orchestration.reevaluate import PATIENTS_A_STATEMENT


def queue_open(lane: Lane, clinic: str) -> int:
    """Put patients of whom something is open into the clinic's outbox, a unit's worth at most; how many.

    What is open of dead ones waits for a retry, but for a profile that has to leave.
    """
    with clinic_transaction(lane.connection, lane.at.roles, clinic, ClinicKind.BUILDER):
        return lane.connection.execute(_QUEUE, [PATIENTS_A_STATEMENT]).rowcount


_QUEUE = """
insert into operational.outbox (clinic_id, entity, patient_id, fires)
select (select operational.role_clinic()), 'patient', waiting.patient_id, null
from (
    select patient_id, min(turn) as turn
    from (
        select begun.patient_id, begun.turn
        from (
            select patient_id, 2 as turn from operational.consent_propagation where done_at is null
            union all
            select patient_id, 1 from withdrawal
        ) as begun
        where not exists (select from dead_change where dead_change.patient_id = begun.patient_id)
        union all
        select patient_id, 0 from raw_patients where profile_shared and profile_until <= statement_timestamp()
    ) as each_of_them
    group by patient_id
    -- What has to leave comes before what only waits for its receipt.
    order by turn, patient_id
    limit %s
) as waiting
"""
