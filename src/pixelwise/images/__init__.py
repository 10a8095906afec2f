"""Image files: reading headers and pixels, whole or in rows, conversion to 8-bit RGB, resampling, writing PNG."""
