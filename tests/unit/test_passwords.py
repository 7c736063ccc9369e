"""Passwords are hashed at the cost that is recommended, which other tests lower for themselves."""

import subprocess
import sys


def test_a_hash_costs_what_the_library_recommends() -> None:
    program = "from api.identity.passwords import hasher; print(hasher().hash('a password'))"
    made = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    # RFC 9106, section 4: the second recommended option, for where memory is scarce.
    assert made.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
