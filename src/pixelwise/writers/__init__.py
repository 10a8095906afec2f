"""Files of results: one writer a format."""
