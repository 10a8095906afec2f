"""Overlays, legends and HTML pages."""
