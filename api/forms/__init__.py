"""Forms of patients."""
