"""Ids of events: random, and in the order of time, so that an index over millions of them grows at one end."""

import os
import time
from uuid import UUID


def event_id() -> UUID:
    """A UUID of version 7 (RFC 9562, 5.7): 48 bits of milliseconds, 74 bits of chance."""
    number = time.time_ns() // 1_000_000 << 80 | int.from_bytes(os.urandom(10))
    return UUID(int=number & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62)
