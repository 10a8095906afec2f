"""What training makes small. `criterion` makes a loss from its name."""
