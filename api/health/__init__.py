"""How the platform is: live workers, builds, the sealed log. Counts and times, of no patient."""
