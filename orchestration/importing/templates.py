"""Templates of forms that an import brings: one that says something new is one more version; none is changed."""

import polars as pl
import psycopg
from psycopg.types.json import Jsonb
from pydantic import ValidationError

from policies.forms.template import Template, TemplateKind


def load_templates(connection: psycopg.Connection, templates: pl.DataFrame) -> pl.DataFrame:
    """Save these rows' `definition`s, but those that were a version already; return `line, reason` of what is none."""
    refused = []
    for row in templates.iter_rows(named=True):
        try:
            template = Template.model_validate_json(row["definition"])
        except ValidationError:
            refused.append((row["line"], "definition: is no template"))
            continue
        if template.kind is TemplateKind.CONSENT:
            # What completing one signs is the clinic's to word.
            refused.append((row["line"], "definition: is a consent form"))
            continue
        stored = template.model_dump(mode="json", exclude_unset=True)
        values = {
            **template.model_dump(mode="json"),
            "clinic": row["clinic_id"],
            "template": row["template"],
            "questions": Jsonb(stored["questions"]),
            "scores": Jsonb(stored.get("scores", [])),
        }
        connection.execute(_SAVE, values)
    return pl.DataFrame(refused, schema={"line": pl.Int64, "reason": pl.String}, orient="row")


# Saved anew, an old version would take the place of what the clinic has made of it since.
_SAVE = """
insert into operational.form_template
    (clinic_id, template, template_version, title, kind, due_days, expire_days, confidential, questions, scores)
select
    %(clinic)s, %(template)s, coalesce(max(t.template_version), 0) + 1, %(title)s, %(kind)s, %(due_days)s,
    %(expire_days)s, %(confidential)s, %(questions)s, %(scores)s
from operational.form_template as t
where t.clinic_id = %(clinic)s and t.template = %(template)s
having coalesce(bool_or(
    (t.title, t.kind, t.due_days, t.expire_days, t.confidential, t.questions, t.scores)
        is not distinct from
    (%(title)s::text, %(kind)s::text, %(due_days)s::smallint, %(expire_days)s::smallint, %(confidential)s::boolean,
        %(questions)s::jsonb, %(scores)s::jsonb)
), false) is false
"""
