"""What a clinic offers and who offers it, as its managers and platform admins say; and how long things stand there."""
