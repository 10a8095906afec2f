"""The optimiser, its learning rate, and what changes the weights otherwise."""
