"""When a guardianship stands: the rule that the database's policies repeat as a wall.

From its first day until the day it ends, or the day the dependent comes of age: on that day access
is over. One that began when the dependent was of age already (a court's, say) ends by its date alone.
Days are UTC's: a guardianship is no clinic's, so no clinic's time zone counts.
"""

from datetime import date

AGE_OF_MAJORITY = 18


def of_age_on(birth_date: date) -> date:
    """The day somebody comes of age; in a year without 29 February the day before counts, as in PostgreSQL."""
    year = birth_date.year + AGE_OF_MAJORITY
    try:
        return birth_date.replace(year=year)
    except ValueError:
        return date(year, 2, 28)


def stands(starts_on: date, ends_on: date | None, birth_date: date | None, on: date) -> bool:
    """Whether a guardianship gives access on a day; without a birth date only its own dates count."""
    if not starts_on <= on or (ends_on is not None and on >= ends_on):
        return False
    if birth_date is None or starts_on >= of_age_on(birth_date):
        return True
    return on < of_age_on(birth_date)
