"""Exports: everything of a person's at one clinic, in one signed file that they carry where they like."""
