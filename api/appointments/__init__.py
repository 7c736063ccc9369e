"""Appointments: lists of them, what becomes of them, and the way into their video rooms."""
