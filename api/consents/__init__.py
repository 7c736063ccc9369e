"""Consents: what people sign for, and revoke; what a clinic learns of it; the texts that are signed."""
