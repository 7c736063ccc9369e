"""Treatment plans: prescribed by who treats, ticked off day by day by patients and guardians."""
