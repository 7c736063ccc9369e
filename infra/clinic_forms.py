"""The standard templates, and the texts of the standard consent forms, in every clinic that has none of that name."""

from hashlib import sha256

import psycopg
from psycopg.types.json import Jsonb

from policies.forms.standard import consent_texts, templates

FIRST_TEXT = "standard-1"

_TEMPLATE = """
insert into operational.form_template
    (clinic_id, template, template_version, title, kind, purpose, due_days, expire_days, confidential, questions,
    scores)
select
    c.clinic_id, %(template)s, 1, %(title)s, %(kind)s, %(purpose)s, %(due_days)s, %(expire_days)s, %(confidential)s,
    %(questions)s, %(scores)s
from operational.clinic as c
where not exists (
    select from operational.form_template as t where t.clinic_id = c.clinic_id and t.template = %(template)s
)
on conflict do nothing"""
_TEXT = """
insert into operational.consent_text (clinic_id, purpose, text_version, body, sha256)
select c.clinic_id, %(purpose)s, %(version)s, %(body)s, %(sha256)s
from operational.clinic as c
where not exists (
    select from operational.consent_text as t
    where t.clinic_id = c.clinic_id and t.purpose = %(purpose)s and not t.imported
)
on conflict do nothing"""


def ensure_standard_forms(connection: psycopg.Connection) -> None:
    """Give every clinic, as the owner, what it has not yet; what a clinic changed stays as it is."""
    for name, template in templates().items():
        stored = template.model_dump(mode="json", exclude_unset=True)
        values = {
            **template.model_dump(mode="json"),
            "template": name,
            "questions": Jsonb(stored["questions"]),
            "scores": Jsonb(stored.get("scores", [])),
        }
        connection.execute(_TEMPLATE, values)
    for purpose, body in consent_texts().items():
        digest = sha256(body.encode()).digest()
        connection.execute(_TEXT, {"purpose": purpose, "version": FIRST_TEXT, "body": body, "sha256": digest})
