"""What is hidden from guardians: marked by who treats, or by the patient."""
