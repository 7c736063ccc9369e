"""Cohort expressions to PostgreSQL, in Circe's own environment: `circe_sql.py SCHEMA < expressions > statements`.

Standard input is a JSON object of cohort ids to expressions, standard output one of cohort ids to lists of
statements. It imports nothing of ours: that environment holds ohdsi-circepy and no more.
"""

import json
import sys

from circe.api import build_cohort_query, cohort_expression_from_json
from circe.cohortdefinition import BuildExpressionQueryOptions
from circe.sqlrender import render, split_sql, translate


def statements(cohort_id: int, expression: dict[str, object], schema: str) -> list[str]:
    """What Circe runs for one cohort, into `schema`.cohort."""
    options = BuildExpressionQueryOptions()
    options.cohort_id, options.cdm_schema, options.vocabulary_schema = cohort_id, schema, schema
    options.result_schema, options.target_table, options.generate_stats = schema, f"{schema}.cohort", False
    text = build_cohort_query(cohort_expression_from_json(json.dumps(expression)), options)
    names = {"target_database_schema": schema, "target_cohort_table": "cohort", "target_cohort_id": cohort_id}
    places = {"cdm_database_schema": schema, "vocabulary_database_schema": schema, "results_database_schema": schema}
    return split_sql(translate(render(text, **names, **places), "postgresql"))


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    json.dump({name: statements(int(name), found, sys.argv[1]) for name, found in asked.items()}, sys.stdout)
