"""No routes yet."""
