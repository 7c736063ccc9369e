"""Impersonation: an admin acts as a patient or guardian, briefly and for a reason."""
