"""Verifications of accounts."""
