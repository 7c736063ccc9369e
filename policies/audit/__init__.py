"""The audit log as a Merkle tree: what a leaf is, how the tree is hashed, signed and verified. Docs: `docs/audit.md`."""
