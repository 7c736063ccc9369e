"""Who asks: accounts and their passwords, tokens, API keys, browser sessions.

principals   an identity and its roles, read anew for every request: a revoked role ends at once
passwords    sign-in with a password: hashing, lock-out, one answer and one work for every failure
issuer       the built-in issuer of access tokens and its signing keys
api_keys     keys of systems: shown once, stored hashed, found by prefix
sessions     browser sessions: hashed tokens, idle and absolute ends, revoked on the server
"""
