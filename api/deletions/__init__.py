"""Soft deletion: records are marked with a reason, and come back by an admin."""
