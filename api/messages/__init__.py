"""Messages to people: a port with SMTP behind it."""
