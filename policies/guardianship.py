"""When a guardianship stands: the rule that the database's policies repeat as a wall.

From its first day until the day it ends, or the day the dependent comes of age: on that day access
is over. One that was agreed (by the adult, or a court's: the dependent was known to be of age when it
began) ends by its date alone, and nothing that is learned later makes one agreed. Days are UTC's: a
guardianship is no clinic's, so no clinic's time zone counts; which age counts is the clinic's country's,
and stands in the guardianship.
"""

from datetime import date

AGE_OF_MAJORITY = 18
# Where it is another: Algeria, Civil Code art. 40; South Korea, Civil Act art. 4; New Zealand, Age of Majority
# Act 1970 s. 4; Thailand, Civil and Commercial Code s. 19; Egypt, Civil Code art. 44; Kuwait, Civil Code art. 96;
# Singapore, common law. Where provinces or states differ (Canada, United States) it is 18.
OTHER_AGES = {"DZ": 19, "KR": 19, "NZ": 20, "TH": 20, "EG": 21, "KW": 21, "SG": 21}


def majority_age(country: str) -> int:
    """The age of majority of a country (ISO 3166 code; `ZZ` for none)."""
    return OTHER_AGES.get(country, AGE_OF_MAJORITY)


def of_age_on(birth_date: date, age: int = AGE_OF_MAJORITY) -> date:
    """The day somebody comes of age."""
    return years_after(birth_date, age)


def years_after(day: date, years: int) -> date:
    """The same day so many years on; in a year without 29 February the day before counts, as in PostgreSQL."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 2, 28)


def stands(
    starts_on: date,
    ends_on: date | None,
    birth_date: date | None,
    on: date,
    age: int = AGE_OF_MAJORITY,
    *,
    agreed: bool = False,
) -> bool:
    """Whether a guardianship gives access on a day; without a birth date only its own dates count."""
    if not starts_on <= on or (ends_on is not None and on >= ends_on):
        return False
    return agreed or birth_date is None or on < of_age_on(birth_date, age)
