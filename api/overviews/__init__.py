"""A clinic at a glance: counts alone."""
