"""Using a trained model: pictures of any size in, results and files out."""
