{# Bare names: the transaction's search_path says whose table it is, and no model can name another's. #}
{% macro ref() %}
    {%- do return(builtins.ref(*varargs, **kwargs).include(database=false, schema=false)) -%}
{% endmacro %}

{% macro source(source_name, table_name) %}
    {%- do return(builtins.source(source_name, table_name).include(database=false, schema=false)) -%}
{% endmacro %}

{# Every model lives in `structure` as far as dbt can see. #}
{% macro generate_schema_name(custom_schema_name, node) %}{{ target.schema }}{% endmacro %}

{# The day that a clinic's run is about: a variable of its block, so one text serves all clinics. #}
{% macro as_of() %}run_as_of{% endmacro %}

{# Columns of the model's contract, in order. #}
{% macro contract_columns() %}
    {%- do return(model.columns.keys() | list) -%}
{% endmacro %}

{# Holds the model's statement against its YAML, outside of any clinic. #}
{% macro check_contract(sql) %}
    {%- do get_assert_columns_equivalent(sql | replace('run_as_of', "date '1970-01-01'")) -%}
{% endmacro %}
