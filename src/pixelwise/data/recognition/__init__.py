"""Recognition of what mask values, class names, file names and folders mean."""
