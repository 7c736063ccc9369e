"""Hand-overs: what patients bring of another clinic, checked, shown, and kept as this clinic's own record."""
