"""Using a trained model: images of any size in, results and files out."""
