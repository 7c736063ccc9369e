"""Templates of a clinic's forms: versions that never change once they are saved."""
