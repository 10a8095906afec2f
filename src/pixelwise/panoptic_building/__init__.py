"""Panoptic data from class masks and instances."""
