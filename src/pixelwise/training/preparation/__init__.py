"""What the recipe and the machine mean for a run: data, model, devices."""
