"""The audit log as a Merkle tree: what a leaf is, how it is hashed, signed and verified. See `docs/audit.md`."""
