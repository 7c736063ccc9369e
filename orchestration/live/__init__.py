"""The live worker: what changes in the operational zone is in the clinic's mart and segments within milliseconds.

It never writes anything that a build would not: the same rows, the same statement, the same causes.
"""
