"""Forms assigned to patients: answered by them or their guardians, read by who treats, counted by staff."""
