"""Whether the log is still the one that was signed: checked on the spot, against a checkpoint that was kept elsewhere.

It is the service's own word. Whoever does not take it has `cloister audit verify` do the same offline.
"""

from dataclasses import dataclass

from api.audit import proof_repository, tree
from api.audit.proof_schemas import Stream
from api.gateway import Access, Caller
from api.services import Services
from infra.audit_tree.tree import TreeChanged
from infra.errors import InvalidInput
from policies.audit.note import BadNote, Checkpoint, Verifier, open_checkpoint
from policies.words import Action


@dataclass(frozen=True)
class Checked:
    """What was found: `holds` of the newest tree, and `grew` out of the kept one, if there is one."""

    size: int
    holds: bool
    kept: int | None
    grew: bool


async def check(serving: Services, caller: Caller, stream: Stream, kept: str) -> Checked:
    """Compute the newest tree's root anew from its hashes, and that of a kept checkpoint's size.

    Raises:
        NotThere: nothing is sealed yet, or the caller has no role.
        InvalidInput: what was kept is no checkpoint that a key of ours signed.
    """
    async with serving.gateway.open(caller, Access(Action.AUDIT_PROVE)) as grant:
        await proof_repository.note(grant)
    signed = await tree.newest(serving.pool, stream)
    known = [Verifier.parse(text) for text in await tree.signers(serving.pool)]
    newest = open_checkpoint(signed.note, known)
    older = _opened(kept, known) if kept.strip() else None
    if older is not None and older.origin != newest.origin:
        raise InvalidInput("of another log", place="body.kept", rule="another_log")
    return Checked(
        size=newest.size,
        holds=await _is(serving, stream, newest),
        kept=older.size if older else None,
        grew=older is not None and older.size <= newest.size and await _is(serving, stream, older),
    )


def _opened(kept: str, known: list[Verifier]) -> Checkpoint:
    # Browsers send two signs for each line break.
    text = kept.replace("\r\n", "\n").strip() + "\n"
    try:
        return open_checkpoint(text, known)
    except BadNote as error:
        raise InvalidInput("no checkpoint", place="body.kept", rule="no_checkpoint", detail=str(error)) from None


async def _is(serving: Services, stream: Stream, signed: Checkpoint) -> bool:
    """Whether the tree of that size has the root that was signed."""
    try:
        (root,) = await tree.roots(serving.pool, stream, [(0, signed.size)])
    except TreeChanged:
        return False
    return root == signed.root
