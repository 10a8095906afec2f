"""Making models, saving and loading them: checkpoints of our own, published ones, weights of other libraries."""
