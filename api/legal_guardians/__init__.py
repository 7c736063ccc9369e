"""Guardians of adults by law: proposed by an admin, confirmed by a manager, redeemed by who proves the address.

An adult who cannot agree has a guardian on a legal basis. No person alone brings one about: whoever proposes does not
confirm, neither of them redeems, and the code is seen by nobody but who reads the guardian's mail.
"""
