"""One patient's profile, as a clinic may see it: the name always, the rest while consent stands."""
