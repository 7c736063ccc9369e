"""Patients' exports as files: packed, signed, and verified."""
