"""Parameters, multiply-adds and receptive field of a model."""
