"""Sealing the audit log, proving what is in it, and handing it to whoever verifies. See `docs/audit.md`."""
