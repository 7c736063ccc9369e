"""How long an account rests after failures in a row: one minute from the fifth on, doubling up to an hour.

The failure is counted before the secret is looked at, so that attempts at once count as well; a
success forgets them all. While an account rests, nothing is counted.
"""

ATTEMPTS = 5
LONGEST_MINUTES = 60


def counted(failures: str, until: str) -> str:
    """The `set` list of an update that counts one more failure in these two columns."""
    doubled = f"power(2, least({failures} + 1 - {ATTEMPTS}, 16))"
    return f"""
    {failures} = {failures} + 1,
    {until} = case
        when {failures} + 1 >= {ATTEMPTS}
            then statement_timestamp() + least({doubled}, {LONGEST_MINUTES}) * interval '1 minute'
    end"""


def rested(until: str) -> str:
    """The condition that the account does not rest now."""
    return f"({until} is null or {until} <= statement_timestamp())"
