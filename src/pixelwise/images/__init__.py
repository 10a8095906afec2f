"""Reading the pixels of image files."""
