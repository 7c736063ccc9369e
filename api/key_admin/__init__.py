"""API keys of systems, as platform admins manage them: a clinic's, with their scope, never a secret but once."""
