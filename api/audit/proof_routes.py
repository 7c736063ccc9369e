"""The sealed log's checkpoints, keys and proofs."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from api.audit import proof_service
from api.audit.proof_schemas import ConsistencyProof, InclusionProof, PublicKeys, SignedCheckpoint, Stream
from api.services import ApiCaller, Serving

LARGEST = 2**63 - 1
router = APIRouter(tags=["audit"])
Log = Annotated[Stream, Query(description="Which log.")]
Size = Annotated[int | None, Query(ge=1, le=LARGEST, description="Of which tree; the newest if not given.")]


@router.get("/audit/checkpoint")
async def read_checkpoint(serving: Serving, caller: ApiCaller, stream: Log = Stream.ACCESS) -> SignedCheckpoint:
    """The newest signed checkpoint of a log: keep it, and no later log can leave out what it holds."""
    return await proof_service.read_checkpoint(serving, caller, stream)


@router.get("/audit/keys")
async def list_keys(serving: Serving, caller: ApiCaller) -> PublicKeys:
    """The public keys that checkpoints, receipts of consents and patients' exports are signed with."""
    return await proof_service.list_keys(serving, caller)


@router.get("/audit/proofs/inclusion")
async def prove_inclusion(
    serving: Serving,
    caller: ApiCaller,
    event: Annotated[UUID | None, Query(description="An event of a log that the caller audits.")] = None,
    index: Annotated[int | None, Query(ge=0, le=LARGEST, description="Or a leaf, whatever event it is.")] = None,
    clinic: Annotated[str | None, Query(description="Whose log the event is in; the auditor's whole log else.")] = None,
    stream: Log = Stream.ACCESS,
    size: Size = None,
) -> InclusionProof:
    """That an event is in the log, or a leaf in its tree."""
    if event is not None and index is None:
        return await proof_service.prove_event(serving, caller, clinic, stream, event, size)
    return await proof_service.prove_index(serving, caller, stream, None if event else index, size)


@router.get("/audit/proofs/consistency")
async def prove_consistency(
    serving: Serving,
    caller: ApiCaller,
    first: Annotated[
        int | None, Query(alias="from", ge=1, le=LARGEST, description="Size of the tree it grew out of; not optional.")
    ] = None,
    size: Annotated[int | None, Query(alias="to", ge=1, le=LARGEST, description="The newest if not given.")] = None,
    stream: Log = Stream.ACCESS,
) -> ConsistencyProof:
    """That a log grew out of what it was, and nothing of that was changed."""
    return await proof_service.prove_consistency(serving, caller, stream, first, size)


@router.get("/me/access-log/{event}/proof")
async def prove_own_access(serving: Serving, caller: ApiCaller, event: str, size: Size = None) -> InclusionProof:
    """The place in the sealed log that an access to the caller's data was given.

    The leaf is the hash of the event's whole line, which names who asked and is not shown here: what the caller's own
    log shows does not hash to it. Whoever audits finds the line at this index, and it does.
    """
    return await proof_service.prove_own(serving, caller, event, size)


@router.get("/me/dependents/{dependent}/access-log/{event}/proof")
async def prove_dependents_access(
    serving: Serving, caller: ApiCaller, dependent: str, event: str, size: Size = None
) -> InclusionProof:
    """The place in the sealed log that an access to a dependent's data was given.

    The leaf is the hash of the event's whole line, which names who asked and is not shown here: what the dependent's
    log shows does not hash to it. Whoever audits finds the line at this index, and it does.
    """
    return await proof_service.prove_own(serving, caller, event, size, dependent)
