"""What the values of masks mean."""
