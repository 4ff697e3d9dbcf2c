"""What whoever answers is told the moment a contact starts."""
