"""How a form `f` is read, with its clinic `c`, its template `t` and its status `x`, wherever one is listed."""

from psycopg import sql

# Past its last day a form is expired, whatever was last written of it.
FORM = sql.SQL("""
operational.form as f
inner join operational.clinic as c on c.clinic_id = f.clinic_id
left join operational.form_template as t
    on t.clinic_id = f.clinic_id and t.template = f.template and t.template_version = f.template_version
cross join lateral (
    select case
        when f.status in ('pending', 'in_progress')
            and f.expires_on < (statement_timestamp() at time zone c.time_zone)::date then 'expired'
        else f.status
    end as status
) as x""")
ENTRY = sql.SQL("""
f.form_id as id, f.template, f.template_version, coalesce(t.title, f.template) as title, x.status, f.assigned_on,
f.due_on, f.expires_on, f.completed_at""")
