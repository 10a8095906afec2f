"""Evaluation: a model scored on the images of a data set, and the report of it."""
