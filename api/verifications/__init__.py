"""Proving a contact by a one-time code: how a provisional person becomes an account's, or is told apart from one."""
