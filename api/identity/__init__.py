"""Who asks: accounts and their passwords, codes, tokens, API keys, browser sessions.

principals     an identity and its roles, read anew for every request: a revoked role ends at once
signing_in     signing in and out; every outcome is an event
passwords      sign-in with a password: hashing, one answer and one work for every failure
second_factor  codes of an authenticator app, recovery codes instead
lockout        how long an account rests after failures in a row
attempts       how often an address may fail, counted in the database for all replicas
issuer         the built-in issuer of access tokens and its signing keys, which rotate
external       tokens of an external OpenID Connect issuer, and whose they are here
impersonation  whom an admin acts as: asked anew for every request
jwks           that issuer's keys: fetched, kept, fetched again
tokens         what both kinds of tokens are checked for
api_keys       keys of systems: shown once, stored hashed, found by prefix
sessions       browser sessions: hashed tokens, idle and absolute ends, revoked on the server
sealed         secrets of identity in the database, encrypted and bound to their row
"""
