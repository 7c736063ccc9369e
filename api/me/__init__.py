"""People and their own data: one's own profile, one's dependents', and who read them."""
