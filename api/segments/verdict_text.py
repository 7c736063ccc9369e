"""The compiler's text of verdicts as reads of the API have it: over what may be shown, with named parameters."""

import re

from psycopg import sql

from api.segments.withheld import WITHHELD
from policies.classification import Field, needs_consent

# In the place of the mart's own table, which the text of the verdicts reads by its name.
PATIENTS = sql.SQL("""raw_patients as (
    select p.patient_id, p.name, p.registered_on, x.shared as profile_shared, u.withheld, {profile}
    from raw_patients as p
    cross join lateral (select {withheld} as withheld) as u
    cross join lateral (select p.profile_shared and not u.withheld as shared) as x
)""").format(
    withheld=WITHHELD.format(patient=sql.SQL("p.patient_id")),
    profile=sql.SQL(", ").join(
        sql.SQL("case when x.shared then p.{0} end as {0}").format(sql.Identifier(field))
        for field in Field
        if needs_consent(field)
    ),
)
_PLACES = {"1": "%(as_of)s::date", "3": "%(constants)s::jsonb"}


def placed(text: str) -> sql.SQL:
    """The text with named parameters in the places of its numbered ones."""
    return sql.SQL(re.sub(r"\$([13])", lambda found: _PLACES[found[1]], text.replace("%", "%%")))
