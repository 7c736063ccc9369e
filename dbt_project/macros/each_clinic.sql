{#
    Runs `body` once in each clinic of var('clinics'): under the clinic's builder role, in its schema,
    under its lock, in a transaction of its own. Jinja has no try, so the handler is PL/pgSQL's: it
    keeps SQLSTATE and constraint only, since a message may quote a patient's row. A clinic that
    failed earlier in this run is skipped; the others go on.

    Before each clinic it gives way to changes that are late, in a transaction of its own: it holds no lock meanwhile.
    It does not wait for the disk either, which live changes wait for: whatever commits later takes these commits with
    it, so a crash loses the last of them with all that came of them, records included, and the run ends with it.

    `body` is PL/pgSQL and may use the variables run_as_of (date) and run_stamp (timestamptz).
    Render it before calling: a macro that runs queries may not be called inside a statement.
#}
{% macro each_clinic(body) %}
    {%- for clinic in var('clinics') %}
        {%- call statement('clinic', auto_begin=False) -%}
            select pipeline.give_way();
            commit;
            begin;
            set local synchronous_commit = off;
            {{ clinic_block(clinic, body) }}
            commit;
        {%- endcall %}
    {%- endfor %}
{% endmacro %}


{% macro clinic_block(clinic, body) %}
{%- set run_id = dbt.string_literal(var('run_id')) -%}
{%- set model_name = dbt.string_literal(model.name[:200]) -%}
{%- set slug = dbt.string_literal(clinic.slug) -%}
do $clinic$
declare
    run_as_of constant date := {{ dbt.string_literal(clinic.as_of) }};
    run_stamp constant timestamptz := {{ dbt.string_literal(var('run_at')) }};
    clinic_as_of date;
    clinic_started timestamptz;
    clinic_seconds double precision;
    clinic_sqlstate text;
    clinic_constraint text;
begin
    if exists (select from pipeline.clinic_run as r
               where r.invocation_id = {{ run_id }} and r.clinic = {{ slug }} and r.status = 'failed') then
        insert into pipeline.clinic_run (invocation_id, model, clinic, status)
        values ({{ run_id }}, {{ model_name }}, {{ slug }}, 'skipped');
        return;
    end if;
    begin
        perform operational.lock_clinic({{ slug }});
        set local role {{ adapter.quote(var('role_prefix') ~ '_clinic_' ~ clinic.slug ~ '_builder') }};
        set local search_path = {{ adapter.quote('clinic_' ~ clinic.slug) }}, pg_temp;
        clinic_started := clock_timestamp();
        {{ body }}
        {%- if model.resource_type == 'model' %}
        {{ record_build(run_id, model_name, slug) }}
        {%- endif %}
        clinic_seconds := extract(epoch from clock_timestamp() - clinic_started);
        {%- if model.name == 'segment_member' %}
        select as_of into clinic_as_of from segment_clock;
        {%- endif %}
        set local role none;
        {%- if model.name == 'segment_member' %}
        {{ record_day(slug) }}
        {%- endif %}
        insert into pipeline.clinic_run (invocation_id, model, clinic, status, sql_seconds)
        values ({{ run_id }}, {{ model_name }}, {{ slug }}, 'done', clinic_seconds);
    exception when query_canceled or others then
        get stacked diagnostics clinic_sqlstate = returned_sqlstate, clinic_constraint = constraint_name;
        insert into pipeline.clinic_run (invocation_id, model, clinic, status, sqlstate, constraint_name)
        values ({{ run_id }}, {{ model_name }}, {{ slug }}, 'failed', clinic_sqlstate, nullif(clinic_constraint, ''));
    end;
end
$clinic$;
{% endmacro %}


{# The access to the clinic's patients, recorded with what it built or not built: of everybody in the mart. #}
{% macro record_build(run_id, model_name, slug) %}
        insert into audit.access_event (event_id, occurred_at, principal_kind, role, organisation, action, resource_type,
            resource_id, clinic_id, purpose, decision, policies, categories, batch_id, patients)
        select gen_random_uuid(), now(), 'process', 'pipeline', {{ slug }}, 'pipeline.build', 'model',
            {{ model_name }}, (select operational.role_clinic()), 'operations', 'permit', '{}', '{identifier}',
            {{ run_id }}::uuid, count(*)
        from raw_patients;
{% endmacro %}


{# For which day the members stand from now on, as `record_day` of orchestration/live/record.py: a later model may fail. #}
{% macro record_day(slug) %}
        insert into pipeline.member_day (clinic, as_of)
        select {{ slug }}, clinic_as_of where clinic_as_of is not null
        on conflict (clinic) do update set as_of = excluded.as_of, passed_at = clock_timestamp();
{% endmacro %}
