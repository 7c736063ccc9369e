"""Proofs of the sealed log: that an event is in it, and that it only ever grew."""

from uuid import UUID

from api.audit import proof_repository, tree
from api.audit.proof_schemas import (
    ConsistencyProof,
    InclusionProof,
    PublicKeys,
    SignedCheckpoint,
    Stream,
    encoded,
)
from api.audit.service import only_clinic
from api.gateway import Access, Caller
from api.me.service import person_of
from api.profiles.service import as_id
from api.services import Services
from infra.errors import InvalidInput, NotThere
from policies.access.model import Resource
from policies.audit.merkle import consistency, inclusion
from policies.words import Action

_PROVE = Access(Action.AUDIT_PROVE)


async def read_checkpoint(serving: Services, caller: Caller, stream: Stream) -> SignedCheckpoint:
    """The newest checkpoint.

    Raises:
        NotThere: nothing is sealed yet, or the caller has no role.
    """
    async with serving.gateway.open(caller, _PROVE) as grant:
        await proof_repository.note(grant)
    signed = await tree.newest(serving.pool, stream)
    return SignedCheckpoint(stream=stream, size=signed.size, note=signed.note, signed_at=signed.signed_at)


async def list_keys(serving: Services, caller: Caller) -> PublicKeys:
    """The public keys of all streams.

    Raises:
        NotThere: the caller has no role.
    """
    async with serving.gateway.open(caller, _PROVE) as grant:
        await proof_repository.note(grant)
    return PublicKeys(keys=await tree.signers(serving.pool))


async def prove_index(
    serving: Services, caller: Caller, stream: Stream, index: int | None, size: int | None
) -> InclusionProof:
    """That a leaf is in the tree, whatever event it is.

    Raises:
        NotThere: nothing is sealed yet, or the caller has no role.
        InvalidInput: no index, no such tree, or no such leaf in it.
    """
    async with serving.gateway.open(caller, _PROVE) as grant:
        if index is None:
            raise InvalidInput("either an event or an index", place="query.event", rule="exactly_one")
        await proof_repository.note(grant)
    return await proof_of(serving, stream, index, size)


async def prove_event(
    serving: Services, caller: Caller, clinic: str | None, stream: Stream, event: UUID, size: int | None
) -> InclusionProof:
    """That an event is in the log of a clinic or of the platform: for its auditors.

    Raises:
        NotThere: no such event, or it is not sealed yet; not the caller's log.
        InvalidInput: no such tree, or the event is not in it.
    """
    resource = Resource(clinic or only_clinic(caller))
    async with serving.gateway.open(caller, Access(Action.AUDIT_SEARCH, resource)) as grant:
        index = await proof_repository.leaf(grant, stream, event)
    return await _proof_of_found(serving, stream, index, size)


async def prove_own(
    serving: Services, caller: Caller, event: str, size: int | None, dependent: str | None = None
) -> InclusionProof:
    """That an access to the caller's data, or a dependent's, is in the log.

    Raises:
        NotThere: no such access of theirs, or it is not sealed yet; no such dependent.
        InvalidInput: no such tree, or the event is not in it.
    """
    grant = await serving.gateway.person(caller, Access(Action.ACCESS_LIST, person_of(caller, dependent)))
    named = as_id(dependent or "")
    index = await proof_repository.own_leaf(grant, named, as_id(event), own=dependent is None)
    return await _proof_of_found(serving, Stream.ACCESS, index, size)


async def prove_consistency(
    serving: Services, caller: Caller, stream: Stream, first: int | None, size: int | None
) -> ConsistencyProof:
    """That the log grew out of what it was.

    Raises:
        NotThere: nothing is sealed yet, or the caller has no role.
        InvalidInput: no such trees.
    """
    async with serving.gateway.open(caller, _PROVE) as grant:
        if first is None:
            raise InvalidInput("the size of an older tree", place="query.from", rule="missing")
        await proof_repository.note(grant)
    at, checkpoint = await _tree(serving, stream, size)
    if first > at:
        raise InvalidInput(f"the tree has {at} leaves", place="query.from", rule="too_large")
    path = await tree.roots(serving.pool, stream, consistency(first, at))
    return ConsistencyProof(stream=stream, first=first, size=at, path=encoded(path), checkpoint=checkpoint)


async def proof_of(serving: Services, stream: Stream, index: int, size: int | None = None) -> InclusionProof:
    """The proof of a leaf, in the newest tree or one of a size; whether the caller may ask has been decided.

    Raises:
        NotThere: nothing is sealed yet.
        InvalidInput: no such tree, or no such leaf in it.
    """
    at, checkpoint = await _tree(serving, stream, size)
    if index >= at:
        raise InvalidInput(f"the tree has {at} leaves", place="query.index", rule="too_large")
    leaf, *path = await tree.roots(serving.pool, stream, [(index, index + 1), *inclusion(index, at)])
    return InclusionProof(
        stream=stream, index=index, size=at, leaf=encoded([leaf])[0], path=encoded(path), checkpoint=checkpoint
    )


async def _proof_of_found(serving: Services, stream: Stream, index: int | None, size: int | None) -> InclusionProof:
    if index is None:
        raise NotThere("no such thing")
    return await proof_of(serving, stream, index, size)


async def _tree(serving: Services, stream: Stream, size: int | None) -> tuple[int, str | None]:
    """The size of the tree that is meant, and its note if it is the newest."""
    signed = await tree.newest(serving.pool, stream)
    if size is None:
        return signed.size, signed.note
    if size > signed.size:
        raise InvalidInput(f"the tree has {signed.size} leaves", place="query.size", rule="too_large")
    return size, None
