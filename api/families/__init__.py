"""Families: dependents and their guardians, and how one becomes or ceases to be one."""
