"""FHIR R4 resources out of rows: pure functions, whose references the caller gives."""
