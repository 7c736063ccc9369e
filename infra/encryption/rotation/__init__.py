"""Rotation of keys while the service runs: in batches, resumable, one at a time.

book        the open rotations, the lock, the events
workers     passes over batches, on several connections
kek         data keys wrapped anew
people      a new data key a person, their fields re-encrypted
purposes    a new data key a purpose, its rows re-encrypted
indexes     a new version of each blind index beside the old one
run         all of it, in order
status      what stands under which version

Batches take the locks of rows and keys, and skip those that a writer holds: those come in a later pass. A reader
never waits.
"""
