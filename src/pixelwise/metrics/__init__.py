"""What a model is judged by."""
