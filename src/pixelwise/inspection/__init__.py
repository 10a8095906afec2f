"""Inspection of a data set before training: surveying its images, finding problems, and a page that shows both."""
