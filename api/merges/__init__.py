"""Doubtful registrations: two of one person at one clinic, which its staff merges or tells apart."""
