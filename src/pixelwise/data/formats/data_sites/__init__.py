"""Layouts of data sites and challenges: these are read and never written."""
