"""One text of a clinic to the members of a segment: whom it would reach, sending it, how far it is, stopping it."""
