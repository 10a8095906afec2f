"""Panoptic data from semantic masks and instances."""
