"""The portable profile, edited by whom it belongs to or a guardian, with its history."""
