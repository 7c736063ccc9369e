"""What imports could not take of a clinic: reasons and places, and the wish that a row be tried again; no content."""
