{#
    The clinic materialisations. Tables, keys, checks and grants come from the clinic migrations;
    these only fill them, so that not even a full refresh can drop a grant or a constraint.
#}

{# The migration makes the view; this makes sure that it is still what the model says. #}
{% materialization clinic_view, adapter='postgres' %}
    {%- do check_contract(sql) -%}
    {%- set wanted = dbt.string_literal(dbt.escape_single_quotes(view_definition(sql))) -%}
    {%- set body -%}
        if pg_get_viewdef('{{ this.identifier }}'::regclass) <> {{ wanted }} then
            raise exception using errcode = 'invalid_object_definition', constraint = '{{ this.identifier }}',
                message = 'the view of the migration is not the view of the model';
        end if;
    {%- endset -%}
    {{ return(finish_clinics(body)) }}
{% endmaterialization %}


{#
    The text of the view in `structure`, if the model means the same: then it is that of every clinic's. Nothing is made
    for it: a connection's first temporary view or table may bring about a schema, and with a schema all other
    connections forget all of their plans, the live worker's among them. What EXPLAIN does not tell apart, how many rows
    a `limit` or `values` says, is no part of a staging view.
#}
{% macro view_definition(sql) %}
    {%- if plan_of('(' ~ sql ~ ') as model') == plan_of(this.identifier) -%}
        {%- do return(run_query("select pg_get_viewdef('" ~ this.identifier ~ "'::regclass)").columns[0].values()[0]) -%}
    {%- endif -%}
    {%- do return('another') -%}
{% endmacro %}


{# How PostgreSQL reads the model's columns, by name and in order, out of something in `structure`. #}
{% macro plan_of(source) %}
    {%- set query = 'explain (verbose, costs off) select ' ~ (contract_columns() | join(', ')) ~ ' from ' ~ source -%}
    {%- do return(run_query(query).columns[0].values() | list) -%}
{% endmacro %}


{# Brings the rows up to date by unique_key: equal rows stay as they are, rows without a source leave. #}
{% materialization clinic_incremental, adapter='postgres' %}
    {%- do check_contract(sql) -%}
    {%- set body = replace_rows(sql) if should_full_refresh() else merge_rows(sql, config.require('unique_key')) -%}
    {{ return(finish_clinics(body)) }}
{% endmaterialization %}


{#
    Executes what the model's one row holds: $1 the as-of date, $2 the run's instant, $3 its parameters. A large clinic's
    verdicts come first, as a table that the statement reads: PostgreSQL can read them in parallel, but not what writes.
#}
{% materialization clinic_program, adapter='postgres' %}
    {%- set body -%}
        declare
            program record;
        begin
            for program in {{ sql }} loop
                if program.verdicts is not null then
                    set local max_parallel_workers_per_gather = 2;
                    execute program.verdicts using run_as_of, run_stamp, program.parameters;
                end if;
                execute program.statement using run_as_of, run_stamp, program.parameters;
            end loop;
        end;
    {%- endset -%}
    {{ return(finish_clinics(body)) }}
{% endmaterialization %}


{# A data test fails for the clinics where it finds a row; dbt only warns, so that the others go on. #}
{% materialization test, adapter='postgres' %}
    {%- set body -%}
        if exists (select from ({{ sql }}) as broken) then
            raise exception using errcode = 'check_violation', constraint = '{{ model.name[:200] }}',
                message = 'a data test found rows';
        end if;
    {%- endset -%}
    {%- do each_clinic(body) -%}
    {%- call statement('main', fetch_result=True) -%}
        select
            count(*) as failures,
            count(*) > 0 as should_warn,
            false as should_error
        from pipeline.clinic_run
        where invocation_id = {{ dbt.string_literal(var('run_id')) }}
            and model = {{ dbt.string_literal(model.name[:200]) }}
            and status = 'failed'
    {%- endcall -%}
    {{ return({'relations': []}) }}
{% endmaterialization %}


{% macro finish_clinics(body) %}
    {%- do each_clinic(body) -%}
    {%- call noop_statement('main', 'CLINICS ' ~ (var('clinics') | length)) -%}{{ body }}{%- endcall -%}
    {%- do return({'relations': [this]}) -%}
{% endmacro %}


{# Replaces all rows, if any differ. #}
{% macro replace_rows(sql) %}
{%- set columns = contract_columns() | join(', ') -%}
create temporary table fresh on commit drop as {{ sql }};
if exists ((select {{ columns }} from fresh except all select {{ columns }} from {{ this.identifier }})
           union all
           (select {{ columns }} from {{ this.identifier }} except all select {{ columns }} from fresh)) then
    delete from {{ this.identifier }};
    insert into {{ this.identifier }} ({{ columns }}) select {{ columns }} from fresh;
end if;
drop table fresh;
{% endmacro %}


{% macro merge_rows(sql, unique_key) %}
{%- set keys = [unique_key] if unique_key is string else unique_key -%}
{%- set columns = contract_columns() -%}
{%- set values = columns | reject('in', keys) | list -%}
merge into {{ this.identifier }} as held
using ({{ sql }}) as fresh
    on {% for key in keys %}held.{{ key }} = fresh.{{ key }}{{ ' and ' if not loop.last }}{% endfor %}
when matched and (held.{{ values | join(', held.') }}) is distinct from (fresh.{{ values | join(', fresh.') }})
    then update set {% for name in values %}{{ name }} = fresh.{{ name }}{{ ', ' if not loop.last }}{% endfor %}
when not matched then insert ({{ columns | join(', ') }}) values (fresh.{{ columns | join(', fresh.') }})
when not matched by source then delete;
{% endmacro %}
