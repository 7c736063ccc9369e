"""Bookings: one operation that makes whatever a first appointment needs."""
