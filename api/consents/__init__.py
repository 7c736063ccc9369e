"""Consents: signed in one's own hand."""
