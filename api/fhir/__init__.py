"""FHIR R4 for systems that speak it: a few resources to read, which say what other routes say, by the same services."""
