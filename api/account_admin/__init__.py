"""Accounts of the people who work here, as platform admins manage them. None of a patient or guardian."""
