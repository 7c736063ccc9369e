"""What the specialist of an appointment reads before it."""
